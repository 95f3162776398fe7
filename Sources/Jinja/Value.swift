/// A value of the template language: what Python has, as far as templates can see it.
public enum Value: Sendable {
    /// What is not there: it prints as nothing, and hardly anything else may be done with it.
    case undefined(Undefined)
    /// Python's None.
    case none
    /// True or false.
    case bool(Bool)
    /// An integer; there are none beyond 64 bits.
    case int(Int)
    /// A float.
    case double(Double)
    /// A string.
    case string(MarkedText)
    /// A list, or something else that has elements by number.
    case list(List)
    /// A dict.
    case dict(Dict)
    /// A method of a value.
    indirect case method(Value, name: String)
    /// A function that every template knows.
    case function(Function)
    /// Something that changes while a template runs: a namespace, a loop, a macro, by its number there.
    case object(Int)

    /// A string of the template's own.
    static func text(_ text: String) -> Value { .string(MarkedText(text)) }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// The text, if this is one.
    var string: MarkedText? { if case .string(let text) = self { text } else { nil } }

    /// The number, if Python takes this for an integer.
    var integer: Int? {
        switch self {
        case .int(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The number, if this is one.
    var number: Double? {
        switch self {
        case .double(let value): value
        default: integer.map(Double.init)
        }
    }

    /// How deep values are nested in this one.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dict(let dict): dict.depth
        case .method(let owner, _): owner.depth + 1
        default: 0
        }
    }

    /// What Python calls its type.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .double: "float"
        case .string: "str"
        case .list(let list): list.kind.typeName
        case .dict: "dict"
        case .method: "builtin_function_or_method"
        case .function: "function"
        case .object: "object"
        }
    }
}

/// Why there is no value.
public struct Undefined: Sendable {
    enum Reason: Sendable {
        case name(String)
        case attribute(String, of: String)
        case element(String, of: String)
        case said(String)
    }

    let reason: Reason

    init(_ reason: Reason) { self.reason = reason }

    /// A variable that was not given.
    public init(name: String) { reason = .name(name) }

    /// What to say where the value is needed.
    var message: String {
        switch reason {
        case .name(let name): "'\(name)' is undefined"
        case .attribute(let name, let owner): "'\(owner) object' has no attribute '\(name)'"
        case .element(let key, let owner): "\(owner) object has no element \(key)"
        case .said(let words): words
        }
    }
}

/// Values in order.
public struct List: Sendable, ExpressibleByArrayLiteral {
    /// What Python has that is a row of values.
    enum Kind: Equatable, Sendable {
        case list
        case tuple
        /// A tuple of a group's name and its values, which have names.
        case group
        case range(start: Int, end: Int, step: Int)
        case keys
        case values
        case items

        var typeName: String {
            switch self {
            case .list: "list"
            case .tuple, .group: "tuple"
            case .range: "range"
            case .keys: "dict_keys"
            case .values: "dict_values"
            case .items: "dict_items"
            }
        }

        var isTuple: Bool { self == .tuple || self == .group }

        /// Whether an element is had by its number; those of a view of a dict are not.
        var isSequence: Bool {
            switch self {
            case .list, .tuple, .group, .range: true
            case .keys, .values, .items: false
            }
        }
    }

    /// The values.
    public let elements: [Value]
    let kind: Kind
    let depth: Int

    /// A list.
    public init(_ elements: [Value]) { self.init(elements, .list) }

    /// A list from a literal.
    public init(arrayLiteral elements: Value...) { self.init(elements) }

    init(_ elements: [Value], _ kind: Kind) {
        self.elements = elements
        self.kind = kind
        depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
    }
}

/// What every template may call.
public enum Function: String, CaseIterable, Sendable {
    case range, dict, namespace, cycler, joiner, lipsum
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
}
