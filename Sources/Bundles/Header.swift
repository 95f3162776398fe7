internal import Storage

/// A row of the section table.
struct Section: Equatable {
    /// Four ASCII letters.
    let code: String
    let codec: Codec
    /// Where it lies in the file, as stored.
    let range: Range<Int>
    /// Its length once decompressed.
    let decodedCount: Int
    /// SHA-256 of the stored bytes; for the weights, of the list of tensors and their digests.
    let digest: Digest

    /// Whether a reader that does not know the section may go on without it.
    var isOptional: Bool { code.utf8.first.map { $0 & 0x20 != 0 } ?? false }
}

/// The first page of a bundle.
struct Header: Equatable {
    let features: Features
    let fileLength: Int
    /// In the order in which they lie in the file.
    let sections: [Section]
    /// The digest that stands for the whole content.
    let root: Digest

    func section(_ kind: SectionKind) -> Section? { sections.first { $0.code == kind.code } }

    /// The root over sections' codes and digests.
    static func root(of sections: [Section]) throws(Failure) -> Digest {
        try SHA256.digest(sections.flatMap { Array($0.code.utf8) + $0.digest.bytes })
    }
}

// Byte offsets within the page.
private enum Field {
    static let version = 8
    static let sectionCount = 12
    static let features = 16
    static let fileLength = 24
    static let root = 32
    static let pageDigest = 64
    static let reserved = 96
}

extension Header {
    /// The page, its digest included.
    func encoded() throws(Failure) -> [UInt8] {
        precondition(sections.count <= Format.maximumSections)
        var page = [UInt8](repeating: 0, count: Format.headerBytes)
        page.replace(at: 0, Format.magic)
        page.replace(at: Field.version, Format.version.bytes)
        page.replace(at: Field.sectionCount, UInt32(sections.count).bytes)
        page.replace(at: Field.features, features.rawValue.bytes)
        page.replace(at: Field.fileLength, UInt64(fileLength).bytes)
        page.replace(at: Field.root, root.bytes)
        for (index, section) in sections.enumerated() {
            page.replace(at: Format.tableStart + index * Format.tableEntryBytes, section.encoded)
        }
        page.replace(at: Field.pageDigest, try SHA256.digest(page).bytes)
        return page
    }

    /// Reads the page at the start of `file` and checks all that can be checked without looking further.
    init(_ file: UnsafeRawBufferPointer) throws(Failure) {
        guard file.count >= Format.headerBytes else {
            throw .badInput(
                "has \(file.count) bytes, too few for a bundle", remedy: "the file may be cut short")
        }
        let page = Array(file[..<Format.headerBytes])
        try Self.checkMagic(page)
        let version = UInt32(page, at: Field.version)
        guard version == Format.version else {
            throw .badInput(
                "has format version \(version); this program reads version \(Format.version)",
                remedy: version > Format.version ? "use a newer release" : nil)
        }
        try Self.checkDigest(page)
        features = Features(rawValue: UInt64(page, at: Field.features))
        if let unknown = features.unknownNames {
            throw .badInput(
                "needs features that this program does not know: \(unknown)", remedy: "use a newer release")
        }
        let length = UInt64(page, at: Field.fileLength)
        guard length == UInt64(file.count) else {
            throw .badInput(
                "has \(file.count) bytes instead of the \(length) it was written with",
                remedy: "the copy or download may be incomplete")
        }
        fileLength = file.count
        sections = try Self.sections(page, fileLength: fileLength)
        root = try Self.digest(page, at: Field.root)
        guard try Self.root(of: sections) == root else {
            throw .badInput("the root digest does not match the section table", at: "header")
        }
    }

    private static func checkMagic(_ page: [UInt8]) throws(Failure) {
        guard !page.starts(with: Format.magic) else { return }
        // A file left by a killed writer has its weights but no header yet.
        if page.allSatisfy({ $0 == 0 }) {
            throw .badInput("was never finished", remedy: "run the command that wrote it again; it resumes")
        }
        let looksMangled = page.prefix(64).contains(sequence: Format.magic[1...3])
        throw .badInput(
            looksMangled ? "was damaged by a transfer in text mode" : "is not a .tessera bundle",
            remedy: looksMangled ? "transfer it again in binary mode" : nil)
    }

    private static func checkDigest(_ page: [UInt8]) throws(Failure) {
        var blank = page
        blank.replace(at: Field.pageDigest, [UInt8](repeating: 0, count: 32))
        guard try SHA256.digest(blank) == digest(page, at: Field.pageDigest) else {
            throw .badInput("is corrupt: its digest does not match", at: "header")
        }
    }

    private static func digest(_ page: [UInt8], at offset: Int) throws(Failure) -> Digest {
        guard let digest = Digest(raw: page[offset..<offset + 32]) else {
            throw .badInput("is cut short", at: "header")
        }
        return digest
    }
}

extension Header {
    /// The table: known codes each once, one after the other from the header page to the end of the file.
    private static func sections(_ page: [UInt8], fileLength: Int) throws(Failure) -> [Section] {
        let count = Int(UInt32(page, at: Field.sectionCount))
        guard count <= Format.maximumSections else {
            throw .badInput("claims \(count) sections", at: "header")
        }
        let tableEnd = Format.tableStart + count * Format.tableEntryBytes
        guard page[Field.reserved..<Format.tableStart].allSatisfy({ $0 == 0 }),
            page[tableEnd...].allSatisfy({ $0 == 0 })
        else { throw .badInput("has bytes set where zeros belong", at: "header") }
        var sections: [Section] = []
        var end = Format.headerBytes
        for index in 0..<count {
            let section = try Section(page, at: Format.tableStart + index * Format.tableEntryBytes)
            let place = "section \(section.code)"
            guard !sections.contains(where: { $0.code == section.code }) else {
                throw .badInput("appears twice", at: place)
            }
            guard Format.aligned(end) == section.range.lowerBound, section.range.upperBound <= fileLength
            else {
                throw .badInput(
                    "lies at bytes \(section.range.lowerBound) to \(section.range.upperBound), not right behind byte \(end)",
                    at: place)
            }
            end = section.range.upperBound
            sections.append(section)
        }
        guard end == fileLength else {
            throw .badInput("the last \(fileLength - end) bytes belong to no section")
        }
        guard sections.first?.code == SectionKind.weights.code else {
            throw .badInput("the first section is not \(SectionKind.weights.code)", at: "header")
        }
        for kind in SectionKind.allCases where !sections.contains(where: { $0.code == kind.code }) {
            throw .badInput("is missing", at: "section \(kind.code)")
        }
        return sections
    }
}

extension Section {
    /// The 64 bytes of the table.
    var encoded: [UInt8] {
        Array(code.utf8) + codec.rawValue.bytes + UInt64(range.lowerBound).bytes + UInt64(range.count).bytes
            + UInt64(decodedCount).bytes + digest.bytes
    }

    /// Reads and checks the 64 bytes at `offset` of the header page.
    init(_ page: [UInt8], at offset: Int) throws(Failure) {
        let letters = page[offset..<offset + 4]
        guard letters.allSatisfy({ (0x41...0x5A).contains($0 & ~0x20) }) else {
            throw .badInput("has a section whose code is not four letters", at: "header")
        }
        code = String(decoding: letters, as: UTF8.self)
        let place = "section \(code)"
        let kind = SectionKind.allCases.first { [code] in $0.code == code }
        guard kind != nil || letters.first.map({ $0 & 0x20 != 0 }) == true else {
            throw .badInput("is needed but unknown to this program", at: place, remedy: "use a newer release")
        }
        guard let codec = Codec(rawValue: UInt32(page, at: offset + 4)) else {
            throw .badInput("is stored in an unknown way", at: place)
        }
        self.codec = codec
        guard let start = Int(exactly: UInt64(page, at: offset + 8)),
            let stored = Int(exactly: UInt64(page, at: offset + 16)),
            let decoded = Int(exactly: UInt64(page, at: offset + 24)),
            let digest = Digest(raw: page[offset + 32..<offset + 64])
        else { throw .badInput("lies outside the file", at: place) }
        let (end, overflow) = start.addingReportingOverflow(stored)
        guard !overflow else { throw .badInput("lies outside the file", at: place) }
        guard codec == .zstd || decoded == stored else {
            throw .badInput("is stored raw in \(stored) bytes, but claims \(decoded)", at: place)
        }
        guard decoded <= kind?.limit ?? Int.max else {
            throw .badInput("claims to hold \(decoded) bytes, more than is allowed", at: place)
        }
        guard kind != .weights || codec == .raw else { throw .badInput("must not be compressed", at: place) }
        range = start..<end
        decodedCount = decoded
        self.digest = digest
    }
}
