/// A JSON value. Objects keep the order of their keys, so that what is written is deterministic.
public enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// A key and its value.
    public struct Member: Equatable, Sendable {
        /// The key as it is written.
        public let key: String
        /// What the key stands for.
        public let value: JSON

        /// A member from its parts.
        public init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// An object, from pairs in order.
    public static func pairs(_ pairs: KeyValuePairs<String, JSON>) -> JSON {
        .object(pairs.map { Member($0.key, $0.value) })
    }

    /// The value of `key`, or nil when absent, null, or when this is no object.
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self, let member = members.first(where: { $0.key == key }),
            member.value != .null
        else { return nil }
        return member.value
    }

    /// The object with `key` set to `value`, in its old place or at the end.
    public func setting(_ key: String, to value: JSON) -> JSON {
        var members = members ?? []
        if let index = members.firstIndex(where: { $0.key == key }) {
            members[index] = Member(key, value)
        } else {
            members.append(Member(key, value))
        }
        return .object(members)
    }

    /// The text, if this is one.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The truth value, if this is one.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The elements, if this is an array.
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    /// The members in order, if this is an object.
    public var members: [Member]? { if case .object(let value) = self { value } else { nil } }

    /// An integer; a double counts when it has no fraction.
    public var int: Int? {
        switch self {
        case .int(let value): value
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    /// Any number.
    public var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// An array of integers.
    public var ints: [Int]? {
        guard let array else { return nil }
        var result: [Int] = []
        for element in array {
            guard let value = element.int else { return nil }
            result.append(value)
        }
        return result
    }

    /// An array of strings.
    public var strings: [String]? {
        guard let array else { return nil }
        var result: [String] = []
        for element in array {
            guard let value = element.string else { return nil }
            result.append(value)
        }
        return result
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral
{
    /// A string from a literal.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A number from a literal.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A truth value from a literal.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A number from a literal.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// An array from a literal.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
}
