import Storage
import TestSupport

@testable import Bundles

/// A bundle whose digests are all right while anything else may be wrong: what an attacker would write.
struct ForgedBundle {
    var weights =
        [UInt8](repeating: 1, count: 24) + [UInt8](repeating: 0, count: 40) + [UInt8](repeating: 1, count: 8)
    var directory: JSON
    var features: Features = []
    /// Stored in place of the compressed graph.
    var graph: [UInt8]?
    /// What the section table says the graph decompresses to.
    var graphCount: Int?
    /// The code of a section of two bytes at the end of the file.
    var extraSection: String?
    /// Changes the section table before it is digested.
    var editSections: ([Section]) -> [Section] = { $0 }
    /// Changes the page before it is digested; the section table's root is not made again.
    var editPage: (inout [UInt8]) -> Void = { _ in }

    /// Two float tensors, of 24 and 8 bytes.
    init() throws {
        directory = .array([
            try Self.entry("a", [2, 3], "F32", 0, 24, weights[0..<24]),
            try Self.entry("b", [4], "BF16", 64, 8, weights[64..<72]),
        ])
    }

    /// An entry of the directory.
    static func entry(
        _ name: String, _ shape: [Int], _ encoding: String, _ offset: Int, _ length: Int,
        _ bytes: ArraySlice<UInt8>
    ) throws -> JSON {
        .pairs([
            "name": .string(name), "shape": .array(shape.map { .int($0) }), "encoding": .string(encoding),
            "offset": .int(offset), "length": .int(length),
            "sha256": .string(try SHA256.digest(Array(bytes)).description), "sources": [], "note": "",
        ])
    }

    func write(to path: String) throws {
        var file = [UInt8](repeating: 0, count: Format.headerBytes) + weights
        let digest = (try? TensorDirectory(directory, weightsByteCount: weights.count))
        var sections = [
            Section(
                code: "WGTS", codec: .raw, range: Format.headerBytes..<file.count,
                decodedCount: weights.count,
                digest: try digest?.digest() ?? SHA256.digest([]))
        ]
        let text = Array(directory.serialized().utf8)
        for (code, content) in [
            ("GRPH", Array("{}".utf8)), ("META", Array("{}".utf8)), ("TOKN", []), ("DIRY", text),
        ] {
            let isGraph = code == "GRPH"
            let stored = try (isGraph ? graph : nil) ?? Zstd.compress(content)
            file += [UInt8](repeating: 0, count: (64 - file.count % 64) % 64)
            sections.append(
                Section(
                    code: code, codec: .zstd, range: file.count..<file.count + stored.count,
                    decodedCount: (isGraph ? graphCount : nil) ?? content.count,
                    digest: try SHA256.digest(stored)))
            file += stored
        }
        if let extraSection {
            file += [UInt8](repeating: 0, count: (64 - file.count % 64) % 64) + [1, 2]
            sections.append(
                Section(
                    code: extraSection, codec: .raw, range: file.count - 2..<file.count, decodedCount: 2,
                    digest: try SHA256.digest([1, 2])))
        }
        sections = editSections(sections)
        let header = Header(
            features: features, fileLength: file.count, sections: sections,
            root: try Header.root(of: sections))
        var page = try header.encoded()
        page.replace(at: 64, [UInt8](repeating: 0, count: 32))
        editPage(&page)
        page.replace(at: 64, try SHA256.digest(page).bytes)
        try putFile(path, page + file[Format.headerBytes...])
    }
}

extension Section {
    /// The same section, changed.
    func with(
        code: String? = nil, codec: Codec? = nil, range: Range<Int>? = nil, decodedCount: Int? = nil
    ) -> Section {
        Section(
            code: code ?? self.code, codec: codec ?? self.codec, range: range ?? self.range,
            decodedCount: decodedCount ?? self.decodedCount, digest: digest)
    }
}
