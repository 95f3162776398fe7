import GroupFormats
import Storage

@testable import Bundles
@testable import Calibration
@testable import GraphIR

/// Targets whose input becomes a bundle with right digests: what they guard is never reached otherwise.
extension FuzzTarget {
    /// The header page, field by field: the input is the page without what lies behind its table, then all that follows it.
    static let bundleHeader = FuzzTarget(
        name: "bundle-header", maximumLength: Page.head + 2048,
        words: ["WGTS", "GRPH", "META", "TOKN", "DIRY", "abcd", "\u{1}\0\0\0", "\0\u{10}\0\0\0\0\0\0"],
        seeds: { [try Page.compact(try sample().bytes())] },
        read: { bytes in try readAll(Page.expanded(bytes)) })

    /// The sections' content, the table in order: see `SectionList`.
    static let bundleSections = FuzzTarget(
        name: "bundle-sections", maximumLength: 4096,
        words: [
            "WGTS", "GRPH", "META", "TOKN", "DIRY", "abcd", "(\u{B5}/\u{FD}", "name", "shape", "encoding",
            "offset", "length",
            "sha256", "sources", "note", "int4-g32", "int8-g64-f16", "int6-g32+16:int4-g16", "BF16",
        ],
        seeds: { [try sample().input, try sample(compressed: true).input] },
        read: { bytes in try readAll(SectionList(bytes).bytes()) })

    /// A bundle of two tensors.
    private static func sample(compressed: Bool = false) throws -> SectionList {
        let zeros = [UInt8](repeating: 0, count: 72)
        let digests = try [24, 8].map { try SHA256.digest(Array(zeros[..<$0])).description }
        let directory: JSON = [
            entry("a", [2, 3], "F32", 0, 24, digests[0]), entry("b", [4], "BF16", 64, 8, digests[1]),
        ]
        var list = SectionList([("WGTS", zeros)])
        for (code, text) in [("GRPH", "{}"), ("META", "{}"), ("TOKN", ""), ("DIRY", directory.serialized())] {
            try list.append(code, Array(text.utf8), compressed: compressed)
        }
        return list
    }

    private static func entry(
        _ name: String, _ shape: [Int], _ encoding: String, _ offset: Int, _ length: Int, _ digest: String
    ) -> JSON {
        .pairs([
            "name": .string(name), "shape": .array(shape.map(JSON.int)), "encoding": .string(encoding),
            "offset": .int(offset), "length": .int(length), "sha256": .string(digest), "sources": [],
            "note": "",
        ])
    }

    private static func readAll(_ file: [UInt8]) throws {
        let bundle = try Bundle(MemoryFile.shared.holding(file))
        for tensor in bundle.tensors {
            let bytes = bundle.bytes(of: tensor)
            require(bytes.count == tensor.byteCount, "\(tensor.name) has other bytes")
            require(bytes.range.lowerBound % 64 == 0, "\(tensor.name) is not aligned")
            require(
                tensor.encoding.byteCount(tensor.shape) == tensor.byteCount,
                "\(tensor.name) has another encoding")
        }
        _ = (try? bundle.graphJSON, try? bundle.metadata, try? bundle.tokenizer)
    }
}

/// The header page without its empty end.
enum Page {
    static let head = Format.tableStart + 7 * Format.tableEntryBytes

    static func compact(_ file: [UInt8]) throws -> [UInt8] {
        Array(file[..<head]) + Array(file[Format.headerBytes...])
    }

    /// The file of a compact input, digests put right where what they are of can be found.
    static func expanded(_ input: [UInt8]) throws -> [UInt8] {
        var page = Array(input.prefix(head))
        page += [UInt8](repeating: 0, count: Format.headerBytes - page.count)
        let file = page + input.dropFirst(head)
        var root: [UInt8] = []
        for index in 0..<min(7, Int(page[12])) {
            let start = Format.tableStart + index * Format.tableEntryBytes
            let offset = UInt64(page, at: start + 8)
            let (end, overflow) = offset.addingReportingOverflow(UInt64(page, at: start + 16))
            // That of the weights is of the directory, which stays as it was.
            if index > 0, !overflow, end <= UInt64(file.count), offset >= UInt64(Format.headerBytes) {
                page.replace(at: start + 32, try SHA256.digest(Array(file[Int(offset)..<Int(end)])).bytes)
            }
            root += page[start..<start + 4] + page[start + 32..<start + 64]
        }
        page.replace(at: 32, try SHA256.digest(root).bytes)
        page.replace(at: 64, [UInt8](repeating: 0, count: 32))
        page.replace(at: 64, try SHA256.digest(page).bytes)
        return page + file[Format.headerBytes...]
    }
}

/// The sections of a bundle as an input spells them: code (4 bytes), codec (1), decoded length (4), stored length (2), content.
/// Where they lie, what they digest to and which features they need follows from that.
struct SectionList {
    private var sections: [(code: String, codec: Codec, decoded: Int, content: [UInt8])] = []

    init(_ raw: [(code: String, content: [UInt8])]) {
        sections = raw.map { ($0.code, .raw, $0.content.count, $0.content) }
    }

    init(_ input: [UInt8]) {
        var rest = input[...]
        while rest.count >= 11, sections.count < 8 {
            let head = Array(rest.prefix(11))
            let content = Array(rest.dropFirst(11).prefix(Int(UInt16(head, at: 9))))
            let codec: Codec = head[4] & 1 == 0 ? .raw : .zstd
            let decoded = codec == .raw ? content.count : Int(UInt32(head, at: 5))
            sections.append((String(decoding: head[..<4], as: UTF8.self), codec, decoded, content))
            rest = rest.dropFirst(11 + content.count)
        }
    }

    mutating func append(_ code: String, _ content: [UInt8], compressed: Bool) throws {
        let stored = compressed ? try Zstd.compress(content) : content
        sections.append((code, compressed ? .zstd : .raw, content.count, stored))
    }

    /// What `init` reads.
    var input: [UInt8] {
        var input: [UInt8] = []
        for section in sections {
            input += Array(section.code.utf8)
            input.append(section.codec == .raw ? 0 : 1)
            input += UInt32(section.decoded).bytes
            input += UInt16(section.content.count).bytes
            input += section.content
        }
        return input
    }

    /// The bundle.
    /// - Parameter known: what its directory says, where that is known.
    func bytes(_ known: TensorDirectory? = nil) throws -> [UInt8] {
        var file = [UInt8](repeating: 0, count: Format.headerBytes)
        var directory = known
        if known == nil, let section = sections.first(where: { $0.code == "DIRY" }),
            section.codec == .raw || section.decoded <= 1 << 16
        {
            let text =
                section.codec == .raw ? section.content : try decompressed(section.content, section.decoded)
            let weights = sections.first { $0.code == "WGTS" }?.content.count ?? 0
            directory = try? TensorDirectory(JSON(parsing: text), weightsByteCount: weights)
        }
        var table: [Section] = []
        for section in sections where section.code.utf8.count == 4 {
            file += [UInt8](repeating: 0, count: (64 - file.count % 64) % 64)
            let ofWeights = section.code == "WGTS" ? directory : nil
            table.append(
                Section(
                    code: section.code, codec: section.codec,
                    range: file.count..<file.count + section.content.count,
                    decodedCount: section.decoded,
                    digest: try ofWeights?.digest() ?? SHA256.digest(section.content)))
            file += section.content
        }
        let header = Header(
            features: Features(directory?.entries.map(\.description) ?? []), fileLength: file.count,
            sections: table,
            root: try Header.root(of: table))
        file.replaceSubrange(..<Format.headerBytes, with: try header.encoded())
        return file
    }

    private func decompressed(_ bytes: [UInt8], _ limit: Int) throws(Failure) -> [UInt8] {
        try bytes.withBytes { (buffer) throws(Failure) in try Zstd.decompress(buffer, limit: limit) }
    }
}
