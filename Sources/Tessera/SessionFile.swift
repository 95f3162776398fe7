import Runtime
import Storage

/// The container of a saved session: `formats/session.md`. What is in its sections is not looked at here.
struct SessionFile {
    /// What it holds, in this order.
    enum Section: Int, CaseIterable {
        /// What was said, as JSON.
        case conversation
        /// What was read, for models that may have to read it anew.
        case read
        /// Keys and values, and states.
        case cache

        fileprivate var code: String {
            switch self {
            case .conversation: "CHAT"
            case .read: "READ"
            case .cache: "KEYS"
            }
        }
    }

    /// The digest of the bundle that it belongs to.
    let model: Digest
    private let file: MappedFile
    private let ranges: [Range<Int>]

    private static let magic: [UInt8] = [0x89, 0x54, 0x53, 0x53, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let version: UInt32 = 2
    private static let headerBytes = 256
    private static let alignment = 64
    private static let entryBytes = 48

    // Byte offsets within the header.
    private enum Field {
        static let version = 8
        static let fileLength = 16
        static let model = 32
        static let digest = 64
        static let table = 96
    }

    /// Opens the file at `path` and checks every byte of it.
    /// - Throws: `io` when it cannot be opened, `badInput` when it is no session or is damaged.
    init(_ path: String) throws(Failure) {
        file = try MappedFile(path)
        do throws(Failure) {
            let header = try SessionFile.header(file)
            guard let model = Digest(raw: header[Field.model..<Field.model + 32]) else {
                throw .badInput("is cut short", at: "header")
            }
            self.model = model
            ranges = try SessionFile.ranges(header, file)
        } catch { throw error.located(in: path) }
    }

    private static func header(_ file: MappedFile) throws(Failure) -> [UInt8] {
        let header = try file.withBytes { (bytes) throws(Failure) in [UInt8](bytes.prefix(headerBytes)) }
        guard header.starts(with: magic) else { throw .badInput("is no saved session") }
        guard header.count == headerBytes else { throw .badInput("is cut short", at: "header") }
        let version = UInt32(header, at: Field.version)
        guard version == Self.version else {
            throw .badInput(
                "is a session of format version \(version); this program reads version \(Self.version)",
                remedy: version > Self.version ? "use a newer release" : nil)
        }
        guard try sealed(header) == header else {
            throw .badInput("is corrupt: its digest does not match", at: "header")
        }
        let length = UInt64(header, at: Field.fileLength)
        guard length == UInt64(file.bytes.count) else {
            throw .badInput(
                "has \(file.bytes.count) bytes instead of the \(length) it was written with",
                remedy: "the copy may be incomplete")
        }
        return header
    }

    /// A header with the digest that it should have, which is of all its other bytes.
    private static func sealed(_ header: [UInt8]) throws(Failure) -> [UInt8] {
        var header = header
        header.replace(at: Field.digest, [UInt8](repeating: 0, count: 32))
        header.replace(at: Field.digest, try SHA256.digest(header).bytes)
        return header
    }

    private static func ranges(_ header: [UInt8], _ file: MappedFile) throws(Failure) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var end = headerBytes
        for section in Section.allCases {
            let place = "section \(section.code)"
            let entry = Field.table + section.rawValue * entryBytes
            guard header[entry..<entry + 4].elementsEqual(section.code.utf8) else {
                throw .badInput("is missing", at: place)
            }
            let start = aligned(end)
            guard let count = Int(exactly: UInt64(header, at: entry + 8)), start <= file.bytes.count,
                count <= file.bytes.count - start
            else { throw .badInput("lies outside the file", at: place) }
            guard file.bytes[end..<start].allSatisfy({ $0 == 0 }) else {
                throw .badInput("has bytes set before it where zeros belong", at: place)
            }
            let digest = try file.digest(of: start..<start + count)
            guard digest.bytes[...] == header[entry + 16..<entry + entryBytes] else {
                throw .badInput("is corrupt: its digest does not match", at: place)
            }
            end = start + count
            ranges.append(start..<end)
        }
        guard end == file.bytes.count else {
            throw .badInput("the last \(file.bytes.count - end) bytes belong to no section")
        }
        return ranges
    }

    private static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

    /// Shows a section.
    func withBytes<Result>(
        of section: Section, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try file.withBytes { (bytes) throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[ranges[section.rawValue]]))
        }
    }
}

extension SessionFile {
    /// Writes a session so that its name never shows a half-written one.
    /// - Parameter model: the digest of the bundle that it belongs to.
    /// - Throws: `usage` when the place was taken meanwhile, `io` when it cannot be written.
    static func write(
        to place: OutputPath, model: Digest, conversation: [UInt8], read: [UInt8], cache: SequenceCache
    ) throws(Failure) {
        try writeFile(place) { (output) throws(Failure) in
            var header = [UInt8](repeating: 0, count: headerBytes)
            var end = headerBytes
            func append(_ section: Section, _ parts: [UnsafeRawBufferPointer]) throws(Failure) {
                let start = aligned(end)
                var digest = try SHA256()
                end = start
                for part in parts {
                    digest.update(part)
                    try output.write(part, at: end)
                    end += part.count
                }
                let entry = Field.table + section.rawValue * entryBytes
                header.replace(at: entry, Array(section.code.utf8))
                header.replace(at: entry + 8, UInt64(end - start).bytes)
                header.replace(at: entry + 16, digest.finish().bytes)
            }
            try conversation.withBytes { (bytes) throws(Failure) in try append(.conversation, [bytes]) }
            try read.withBytes { (bytes) throws(Failure) in try append(.read, [bytes]) }
            try cache.withStored { (parts) throws(Failure) in try append(.cache, parts) }
            // Sections without bytes may begin behind the last byte that was written.
            try output.truncate(to: end)
            header.replace(at: 0, magic)
            header.replace(at: Field.version, version.bytes)
            header.replace(at: Field.fileLength, UInt64(end).bytes)
            header.replace(at: Field.model, model.bytes)
            try output.write(try sealed(header), at: 0)
        }
    }
}
