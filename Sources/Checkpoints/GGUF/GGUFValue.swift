internal import Storage

/// A value in the metadata of a GGUF file: where it lies, of a length that was checked; nothing is decoded before it is asked for.
struct GGUFValue: Sendable {
    /// The types, by the numbers that stand for them.
    enum Kind: UInt32 {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of a value; nil where its length stands with it.
        var width: Int? {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            case .string, .array: nil
            }
        }
    }

    /// Of the value, or of each element of an array.
    private let kind: Kind
    /// How many elements there are; nil for what is no array.
    private let count: Int?
    private let source: MappedBytes

    /// Reads the type and passes over the value.
    init(_ cursor: inout ByteCursor) throws(Failure) {
        var kind = try Kind(&cursor)
        var count: Int?
        if kind == .array {
            kind = try Kind(&cursor)
            guard kind != .array else { throw .badInput("is an array of arrays, which is not supported") }
            let elements = try cursor.integer(UInt64.self)
            // The least that an element takes: the length of an empty text.
            let room = UInt64(cursor.remaining / (kind.width ?? 8))
            guard elements <= room else {
                throw .badInput("claims \(elements) elements where at most \(room) have room")
            }
            count = Int(elements)
        }
        self.kind = kind
        self.count = count
        var probe = cursor
        if let width = kind.width {
            try probe.skip((count ?? 1) * width)
        } else {
            for _ in 0..<(count ?? 1) { try probe.skipText() }
        }
        source = try cursor.part(probe.offset - cursor.offset).source
    }

    /// The text that it is.
    func text() throws(Failure) -> String {
        guard kind == .string, count == nil else { throw .badInput("is no text") }
        var cursor = ByteCursor(source)
        return try cursor.countedText()
    }

    /// The text that it is, whatever characters it has.
    func program() throws(Failure) -> String {
        guard kind == .string, count == nil else { throw .badInput("is no text") }
        var cursor = ByteCursor(source)
        return try cursor.countedProgram()
    }

    /// The texts that it is an array of.
    func texts() throws(Failure) -> [String] {
        guard kind == .string, let count else { throw .badInput("is no array of texts") }
        var cursor = ByteCursor(source)
        return try (0..<count).map { _ throws(Failure) in try cursor.countedText() }
    }

    /// The number that it is, one of 32 bits without a sign.
    func number() throws(Failure) -> UInt32 {
        guard kind == .uint32, count == nil else { throw .badInput("is no number of 32 bits") }
        var cursor = ByteCursor(source)
        return try cursor.integer()
    }
}

extension GGUFValue {
    /// The whole number that it is, of any width.
    func integer() throws(Failure) -> Int {
        guard let int = try json(listsUpTo: 0)?.int else { throw .badInput("is no whole number") }
        return int
    }

    /// More than any vocabulary has.
    private static let mostIntegers = 1 << 24

    /// The whole numbers that it is an array of.
    func integers() throws(Failure) -> [Int] {
        guard let count else { throw .badInput("is no array of whole numbers") }
        guard count <= Self.mostIntegers else { throw .badInput("has \(count) elements") }
        var cursor = ByteCursor(source)
        return try (0..<count).map { _ throws(Failure) in
            guard let int = try element(&cursor).int else { throw .badInput("is no array of whole numbers") }
            return int
        }
    }

    /// The value as JSON; nil for a list of more than `limit` elements.
    func json(listsUpTo limit: Int) throws(Failure) -> JSON? {
        var cursor = ByteCursor(source)
        guard let count else { return try element(&cursor) }
        guard count <= limit else { return nil }
        return .array(try (0..<count).map { _ throws(Failure) in try element(&cursor) })
    }

    private func element(_ cursor: inout ByteCursor) throws(Failure) -> JSON {
        switch kind {
        case .uint8: .int(Int(try cursor.integer(UInt8.self)))
        case .int8: .int(Int(try cursor.integer(Int8.self)))
        case .uint16: .int(Int(try cursor.integer(UInt16.self)))
        case .int16: .int(Int(try cursor.integer(Int16.self)))
        case .uint32: .int(Int(try cursor.integer(UInt32.self)))
        case .int32: .int(Int(try cursor.integer(Int32.self)))
        case .int64: .int(Int(try cursor.integer(Int64.self)))
        case .uint64: Self.number(try cursor.integer(UInt64.self))
        case .float32: Self.number("\(Float(bitPattern: try cursor.integer()))")
        case .float64: Self.number("\(Double(bitPattern: try cursor.integer()))")
        case .bool: .bool(try cursor.integer(UInt8.self) != 0)
        case .string: .string(try cursor.countedProgram())
        case .array: .null
        }
    }

    private static func number(_ number: UInt64) -> JSON {
        Int(exactly: number).map(JSON.int) ?? .string("\(number)")
    }

    /// The number that a text stands for, if it is finite.
    private static func number(_ text: String) -> JSON {
        guard let number = Double(text), number.isFinite else { return .string(text) }
        return .double(number)
    }
}

extension GGUFValue.Kind {
    fileprivate init(_ cursor: inout ByteCursor) throws(Failure) {
        let number = try cursor.integer(UInt32.self)
        guard let kind = Self(rawValue: number) else { throw .badInput("is of the unknown type \(number)") }
        self = kind
    }
}

extension ByteCursor {
    /// The next text, whose length stands before it, without control characters.
    mutating func countedText() throws(Failure) -> String { try text(try length()) }

    /// The next text, whose length stands before it.
    fileprivate mutating func countedProgram() throws(Failure) -> String {
        let count = try length()
        let start = try skip(count)
        guard let text = String(validating: source.bytes[start..<start + count], as: UTF8.self) else {
            throw .badInput("holds text that is not valid UTF-8")
        }
        return text
    }

    /// Passes over such a text.
    fileprivate mutating func skipText() throws(Failure) { try skip(try length()) }

    private mutating func length() throws(Failure) -> Int {
        let length = try integer(UInt64.self)
        guard let length = Int(exactly: length) else {
            throw .badInput("claims a text of \(length) bytes")
        }
        return length
    }
}
