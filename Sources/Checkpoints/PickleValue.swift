internal import Storage

/// A value on the stack of the unpickler: only what the pickle of a checkpoint needs.
///
/// Values made of others are numbers of objects on a `PickleHeap`. However a pickle nests or shares them, or puts them
/// into themselves, a value stays small and nothing here recurses.
enum PickleValue {
    case none
    case bool(Bool)
    case int(Int)
    case string(String)
    case global(PickleGlobal)
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    case storage(Int)
    case tensor(Int)

    /// For messages.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a truth value"
        case .int: "an integer"
        case .string: "a string"
        case .global(let global): global.name
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dictionary"
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// The names that a pickle may refer to. They stand for what this reader does itself; nothing is looked up or called.
enum PickleGlobal {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case storage(ElementType)

    /// Nil for every other name, `module.name`.
    init?(name: String) {
        guard let global = Self.byName[name] else { return nil }
        self = global
    }

    private static let byName: [String: PickleGlobal] = {
        let all =
            [.orderedDictionary, .rebuildTensor, .rebuildParameter] + storageNames.keys.map(Self.storage)
        return Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }()

    /// As pickles write it.
    var name: String {
        switch self {
        case .orderedDictionary: "collections.OrderedDict"
        case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
        case .rebuildParameter: "torch._utils._rebuild_parameter"
        case .storage(let type): "torch.\(Self.storageNames[type] ?? "")Storage"
        }
    }

    /// PyTorch's legacy storages; newer types, such as 8-bit floats, have none.
    private static let storageNames: [ElementType: String] = [
        .float64: "Double", .float32: "Float", .float16: "Half", .bfloat16: "BFloat16", .int64: "Long",
        .int32: "Int", .int16: "Short", .int8: "Char", .uint8: "Byte", .bool: "Bool",
    ]
}

/// A storage: elements in an entry of the file, which tensors show.
struct PickledStorage {
    /// The entry, by its name in the folder `data`.
    let key: String
    /// What its elements are.
    let type: ElementType
    /// How many it claims to have.
    let count: Int
}

/// A tensor as the pickle describes it; nothing about it has been compared with the file.
struct PickledTensor {
    let storage: PickledStorage
    /// The element of the storage that is its first.
    let offset: Int
    /// Outermost first.
    let extents: [Int]
    /// In elements, one for each extent.
    let strides: [Int]
}

/// The objects of a pickle by their numbers.
struct PickleHeap {
    /// The most objects and elements of objects that are accepted together; a checkpoint has some thirty for a tensor.
    static let limit = 1 << 21

    private(set) var tuples: [[PickleValue]] = []
    private(set) var lists: [[PickleValue]] = []
    private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    private(set) var storages: [PickledStorage] = []
    private(set) var tensors: [PickledTensor] = []
    private var size = 0

    mutating func tuple(_ elements: [PickleValue]) throws(Failure) -> PickleValue {
        try grow(by: 1 + elements.count)
        tuples.append(elements)
        return .tuple(tuples.count - 1)
    }

    mutating func list() throws(Failure) -> PickleValue {
        try grow(by: 1)
        lists.append([])
        return .list(lists.count - 1)
    }

    mutating func append(_ elements: [PickleValue], toList list: Int) throws(Failure) {
        try grow(by: elements.count)
        lists[list] += elements
    }

    mutating func dictionary() throws(Failure) -> PickleValue {
        try grow(by: 1)
        dictionaries.append([])
        return .dictionary(dictionaries.count - 1)
    }

    /// Adds keys and values, which take turns, to a dictionary.
    mutating func append(_ items: [PickleValue], toDictionary dictionary: Int) throws(Failure) {
        guard items.count.isMultiple(of: 2) else { throw .badInput("a key has no value") }
        try grow(by: items.count)
        for index in stride(from: 0, to: items.count, by: 2) {
            dictionaries[dictionary].append((items[index], items[index + 1]))
        }
    }

    mutating func storage(_ storage: PickledStorage) throws(Failure) -> PickleValue {
        try grow(by: 1)
        storages.append(storage)
        return .storage(storages.count - 1)
    }

    mutating func tensor(_ tensor: PickledTensor) throws(Failure) -> PickleValue {
        try grow(by: 1 + 2 * tensor.extents.count)
        tensors.append(tensor)
        return .tensor(tensors.count - 1)
    }

    private mutating func grow(by count: Int) throws(Failure) {
        size += count
        guard size <= Self.limit else { throw .badInput("makes more than \(Self.limit) objects") }
    }
}
