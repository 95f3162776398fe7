/// Values by key, in the order in which they came.
public struct Dict: Sendable, ExpressibleByDictionaryLiteral {
    /// A key and its value.
    typealias Entry = (key: Value, value: Value)

    private(set) var entries: [Entry] = []
    /// Where each key is, once there are too many to look at all.
    private var places: [DictKey: Int] = [:]
    private(set) var depth = 1

    private static let manyEntries = 8

    /// An empty one.
    public init() {}

    /// Strings as keys, from a literal.
    public init(dictionaryLiteral elements: (String, Value)...) {
        for (key, value) in elements { set(.string(key: key), to: value) }
    }

    var count: Int { entries.count }
    var keys: [Value] { entries.map(\.key) }
    var values: [Value] { entries.map(\.value) }

    /// The value of a key.
    subscript(key: DictKey) -> Value? { place(of: key).map { entries[$0].value } }

    /// The value of a string.
    public subscript(key: String) -> Value? { self[.string(key: key)] }

    /// Sets the value of a key, in its old place or at the end.
    public mutating func set(_ key: String, to value: Value) { set(.string(key: key), to: value) }

    mutating func set(_ key: DictKey, to value: Value) {
        depth = max(depth, 1 + value.depth, 1 + key.value.depth)
        if let place = place(of: key) {
            entries[place].value = value
            return
        }
        entries.append((key.value, value))
        if entries.count == Dict.manyEntries {
            for (place, entry) in entries.enumerated() {
                if let key = DictKey(entry.key) { places[key] = place }
            }
        } else if entries.count > Dict.manyEntries {
            places[key] = entries.count - 1
        }
    }

    private func place(of key: DictKey) -> Int? {
        if entries.count >= Dict.manyEntries { return places[key] }
        return entries.firstIndex { DictKey.equal($0.key, key.value) }
    }
}

/// A value that can be a key: Python's equality, which marks of text do not touch.
struct DictKey: Hashable, Sendable {
    let value: Value

    /// Nil where the value is no key: lists and dicts are none, and tuples only where they hold plain values.
    init?(_ value: Value) {
        switch value {
        case .list(let list):
            guard list.kind.isTuple, list.depth == 1 else { return nil }
        case .dict, .method: return nil
        default: break
        }
        self.value = value
    }

    private init(known value: Value) { self.value = value }

    static func string(_ text: MarkedText) -> DictKey { DictKey(known: .string(text)) }
    static func string(key: String) -> DictKey { .string(MarkedText(key)) }

    static func == (left: DictKey, right: DictKey) -> Bool { equal(left.value, right.value) }

    func hash(into hasher: inout Hasher) {
        switch value {
        case .string(let text): hasher.combine(text.bytes)
        case .list(let list): for element in list.elements { DictKey(known: element).hash(into: &hasher) }
        case .object(let number): hasher.combine(number)
        case .function(let function): hasher.combine(function)
        default: hasher.combine(value.number)
        }
    }

    /// Whether two plain values are the same key.
    static func equal(_ left: Value, _ right: Value) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)): left.bytes == right.bytes
        case (.none, .none), (.undefined, .undefined): true
        case (.int(let left), .int(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        case (.function(let left), .function(let right)): left == right
        case (.list(let left), .list(let right)):
            left.elements.count == right.elements.count
                && zip(left.elements, right.elements).allSatisfy(equal)
        default:
            if let left = left.number, let right = right.number { left == right } else { false }
        }
    }
}
