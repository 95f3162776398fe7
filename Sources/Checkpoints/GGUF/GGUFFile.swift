public import Storage

/// A GGUF file of version 2 or 3, little-endian: mapped, its header checked, no tensor read.
///
/// The file is a header (`GGUF`, the version, how many tensors and how much metadata), the metadata (names with typed values),
/// the tensors' names, extents, types and places, and one buffer in which the tensors follow each other in that order, each
/// from the next multiple of the alignment on.
public struct GGUFFile: Sendable {
    /// What such a file begins with.
    public static let magic = Array("GGUF".utf8)
    /// The longest header accepted, as if the file ended there; the vocabulary of a model takes some 10 MB of it.
    public static let headerLimit = 64 << 20

    /// The whole file.
    public let file: MappedFile
    private let metadata: GGUFMetadata
    /// In the order in which they lie in the file; shapes have the outermost extent first, the reverse of the file's order.
    public let tensors: [GGUFTensor]

    /// Maps and checks the file at `path`.
    /// - Parameter kind: what `general.type` must say: looked at before the tensors are; nil for anything.
    /// - Throws: `.io` when it cannot be opened, `.badInput` when anything in the header is not as it must be.
    public init(_ path: String, kind: String? = nil) throws(Failure) {
        file = try MappedFile(path)
        do throws(Failure) {
            let header = try GGUFHeader(file, kind: kind)
            (metadata, tensors) = (header.metadata, header.tensors)
        } catch { throw error.located(in: path) }
    }

    /// The text of that name; nil when there is nothing of the name.
    /// - Throws: `.badInput` when it is no text, or one that messages must not show.
    public func text(_ name: String) throws(Failure) -> String? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in try value.text() }
        }
    }

    /// The texts in the array of that name; nil when there is nothing of the name.
    /// - Throws: `.badInput` as `text` does.
    public func texts(_ name: String) throws(Failure) -> [String]? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in try value.texts() }
        }
    }

    /// The number of that name, of 32 bits without a sign; nil when there is nothing of the name.
    /// - Throws: `.badInput` when it is anything else.
    public func number(_ name: String) throws(Failure) -> Int? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in Int(try value.number()) }
        }
    }

    /// The whole number of that name, of any width; nil when there is nothing of the name.
    /// - Throws: `.badInput` when it is anything else.
    public func integer(_ name: String) throws(Failure) -> Int? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in try value.integer() }
        }
    }

    /// The whole numbers in the array of that name; nil when there is nothing of the name.
    /// - Throws: `.badInput` when it is anything else.
    public func integers(_ name: String) throws(Failure) -> [Int]? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in try value.integers() }
        }
    }

    /// The text of that name, with line breaks and whatever else it holds; nil when there is nothing of the name.
    /// - Throws: `.badInput` when it is no text.
    public func program(_ name: String) throws(Failure) -> String? {
        try located { () throws(Failure) in
            try metadata.read(name) { (value) throws(Failure) in try value.program() }
        }
    }

    /// The metadata as one object, by the names, in the file's order, without long lists.
    ///
    /// Numbers of 32 bits with a point are the shortest decimals that stand for them. What JSON has no number for is a text.
    /// - Parameter limit: elements of the longest list that is included.
    /// - Throws: `.badInput` as `text` does.
    public func settings(listsUpTo limit: Int) throws(Failure) -> JSON {
        try located { () throws(Failure) in try metadata.json(listsUpTo: limit) }
    }

    private func located<Result>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        do { return try body() } catch { throw error.located(in: file.path) }
    }
}

/// The metadata of a GGUF file by name.
private struct GGUFMetadata {
    private var values: [String: GGUFValue] = [:]
    private var names: [String] = []

    mutating func add(_ name: String, _ value: GGUFValue) throws(Failure) {
        guard values.updateValue(value, forKey: name) == nil else {
            throw .badInput("is given twice")
        }
        names.append(name)
    }

    func json(listsUpTo limit: Int) throws(Failure) -> JSON {
        var members: [JSON.Member] = []
        for name in names {
            let json = try read(name) { (value) throws(Failure) in try value.json(listsUpTo: limit) }
            if let json = json ?? nil { members.append(.init(name, json)) }
        }
        return .object(members)
    }

    func read<Result>(
        _ name: String, _ body: (GGUFValue) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard let value = values[name] else { return nil }
        do { return try body(value) } catch { throw error.placed(in: "metadata '\(name)'") }
    }
}

/// The header of a GGUF file, checked against the file that it heads.
private struct GGUFHeader {
    private let file: MappedFile
    private var cursor: ByteCursor
    private var alignment = 32
    var metadata = GGUFMetadata()
    var tensors: [GGUFTensor] = []

    /// The longest name accepted, in bytes.
    private static let nameLimit = 1024
    /// The most extents that a tensor has.
    private static let rankLimit = 4
    /// The least that an entry takes: a name of a byte with the shortest value, and with the place of a scalar.
    private static let shortestValue = 8 + 1 + 4 + 1
    private static let shortestTensor = 8 + 1 + 4 + 4 + 8

    init(_ file: MappedFile, kind: String?) throws(Failure) {
        self.file = file
        guard let bytes = MappedBytes(file, 0..<min(file.bytes.count, GGUFFile.headerLimit)) else {
            throw .badInput("is no GGUF file")
        }
        cursor = ByteCursor(bytes)
        let (tensorCount, valueCount) = try readCounts()
        for number in 0..<valueCount { try readValue(number) }
        let type = try metadata.read("general.type") { (value) throws(Failure) in try value.text() }
        guard kind == nil || type == kind else {
            let type = type.map { "of type '\($0)'" } ?? "without a type"
            throw .badInput("is a GGUF file \(type), no \(kind ?? "")")
        }
        try readAlignment()
        var entries: [Entry] = []
        for number in 0..<tensorCount { entries.append(try readTensor(number)) }
        try place(entries)
    }

    private mutating func readCounts() throws(Failure) -> (tensors: Int, values: Int) {
        guard bytes(4) == GGUFFile.magic else { throw .badInput("does not begin as a GGUF file does") }
        try cursor.skip(4)
        let version = try cursor.integer(UInt32.self)
        guard (2...3).contains(version) else {
            let swapped = (2...3).contains(version.byteSwapped)
            throw .badInput(
                swapped ? "is big-endian, which is not supported" : "has version \(version), not 2 or 3",
                at: "header")
        }
        let tensors = try cursor.integer(UInt64.self)
        let values = try cursor.integer(UInt64.self)
        let room = UInt64(cursor.remaining)
        guard tensors <= room / UInt64(Self.shortestTensor), values <= room / UInt64(Self.shortestValue)
        else {
            throw .badInput(
                "claims \(tensors) tensors and \(values) values, more than \(room) bytes can hold",
                at: "header")
        }
        return (Int(tensors), Int(values))
    }

    private func bytes(_ count: Int) -> [UInt8] { Array(cursor.source.bytes.prefix(count)) }

    private mutating func readValue(_ number: Int) throws(Failure) {
        let name = try readName("metadata \(number)")
        do throws(Failure) {
            try metadata.add(name, try GGUFValue(&cursor))
        } catch { throw error.placed(in: "metadata '\(name)'") }
    }

    private mutating func readName(_ place: String) throws(Failure) -> String {
        do throws(Failure) {
            let name = try cursor.countedText()
            guard (1...Self.nameLimit).contains(name.utf8.count) else {
                throw .badInput("has a name of \(name.utf8.count) bytes")
            }
            return name
        } catch { throw error.placed(in: place) }
    }

    private mutating func readAlignment() throws(Failure) {
        let chosen = try metadata.read("general.alignment") { (value) throws(Failure) in
            let number = try value.number()
            guard number.nonzeroBitCount == 1 else { throw .badInput("is \(number), no power of two") }
            return Int(number)
        }
        alignment = chosen ?? alignment
    }

    /// A tensor as the header describes it.
    private struct Entry {
        let name: String
        let type: BlockType
        let shape: Shape
        let byteCount: Int
        let offset: UInt64

        var place: String { "tensor '\(name)'" }
    }

    private mutating func readTensor(_ number: Int) throws(Failure) -> Entry {
        let name = try readName("tensor \(number)")
        do throws(Failure) {
            let rank = try cursor.integer(UInt32.self)
            guard rank <= Self.rankLimit else { throw .badInput("has \(rank) extents") }
            var extents: [Int] = []
            for _ in 0..<rank {
                let extent = try cursor.integer(UInt64.self)
                guard let whole = Int(exactly: extent) else {
                    throw .badInput("has the impossible extent \(extent)")
                }
                extents.insert(whole, at: 0)
            }
            let number = try cursor.integer(UInt32.self)
            guard let type = BlockType(number: number), type.isSupported else {
                let name = BlockType(number: number).map { "\($0.name) (\(number))" } ?? "\(number)"
                throw .badInput("has elements of type \(name), which is not supported")
            }
            guard (extents.last ?? 1) % type.elements == 0 else {
                throw .badInput(
                    "has rows of \(extents.last ?? 1) elements, which are no whole blocks of \(type.elements) (\(type.name))"
                )
            }
            guard let shape = Shape(checking: extents), let byteCount = type.byteCount(shape) else {
                throw .badInput("has the impossible shape \(extents)")
            }
            return Entry(
                name: name, type: type, shape: shape, byteCount: byteCount, offset: try cursor.integer())
        } catch { throw error.placed(in: "tensor '\(name)'") }
    }

    /// Finds each tensor where those before it end: none overlaps another, and nothing lies between them but what aligns them.
    private mutating func place(_ entries: [Entry]) throws(Failure) {
        guard !entries.isEmpty else { return }
        var names: Set<String> = []
        let start = padded(cursor.offset)
        let end = file.bytes.count
        var next = start
        for entry in entries {
            guard names.insert(entry.name).inserted else {
                throw .badInput("is given twice", at: entry.place)
            }
            guard entry.offset == UInt64(next - start) else {
                throw .badInput(
                    "lies at byte \(entry.offset) of the data; those before it end at \(next - start)",
                    at: entry.place)
            }
            guard next <= end, entry.byteCount <= end - next,
                let data = MappedBytes(file, next..<next + entry.byteCount)
            else {
                throw .badInput(
                    "takes \(entry.byteCount) bytes, of which \(max(0, end - next)) are there",
                    at: entry.place, remedy: "the file may be cut short")
            }
            tensors.append(
                GGUFTensor(name: entry.name, type: entry.type, shape: entry.shape, data: data))
            next = padded(next + entry.byteCount)
        }
        guard next >= end else { throw .badInput("the last \(end - next) bytes belong to no tensor") }
    }

    private func padded(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
}
