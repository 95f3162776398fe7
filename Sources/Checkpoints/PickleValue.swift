internal import Storage

/// A value on the stack of the unpickler: only what the pickle of a checkpoint needs.
///
/// Values made of others are numbers of objects on a `PickleHeap`. However a pickle nests or shares them, or puts them
/// into themselves, a value stays small and nothing here recurses.
enum PickleValue {
    case none
    case bool(Bool)
    case int(Int)
    /// A number with a fraction; which does not matter.
    case float
    /// Bytes; which does not matter.
    case bytes
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
        case .float: "a number"
        case .bytes: "bytes"
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
    /// With the type of elements beside an untyped storage: what is newer than the storages of old.
    case rebuildTypedTensor
    case rebuildParameter
    case storage(PickledType)
    case untypedStorage
    /// A type of elements by itself.
    case type(PickledType)

    /// Nil for every other name, `module.name`.
    init?(name: String) {
        guard let global = Self.byName[name] else { return nil }
        self = global
    }

    /// Whether a name is of a function that makes a tensor which is more than numbers: a subclass, a quantized one.
    static func isTensorKind(_ name: String) -> Bool {
        ["torch._utils._rebuild_", "torch._tensor._rebuild_", "torchao."].contains { name.hasPrefix($0) }
    }

    private static let byName: [String: PickleGlobal] = {
        let all: [PickleGlobal] =
            [.orderedDictionary, .rebuildTensor, .rebuildTypedTensor, .rebuildParameter, .untypedStorage]
            + PickledType.storages.map(Self.storage) + PickledType.all.map(Self.type)
        return Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }()

    /// As pickles write it.
    var name: String {
        switch self {
        case .orderedDictionary: "collections.OrderedDict"
        case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
        case .rebuildTypedTensor: "torch._utils._rebuild_tensor_v3"
        case .rebuildParameter: "torch._utils._rebuild_parameter"
        case .storage(let type): "torch.\(type.storage ?? "")Storage"
        case .untypedStorage: "torch.storage.UntypedStorage"
        case .type(let type): "torch.\(type.name)"
        }
    }
}

/// A type of elements that PyTorch knows.
struct PickledType: Equatable {
    /// As PyTorch calls it: `float8_e4m3fn`.
    let name: String
    /// What its storage was called before storages had no type; newer types have none.
    let storage: String?
    /// What it is here; nil for a type that there is no reader for.
    let type: ElementType?
    /// Bytes an element takes.
    let width: Int

    private init(_ name: String, _ type: ElementType, storage: String? = nil) {
        (self.name, self.storage, self.type, width) = (name, storage, type, type.width)
    }

    private init(_ name: String, unread width: Int, storage: String? = nil) {
        (self.name, self.storage, type, self.width) = (name, storage, nil, width)
    }

    static let all = [
        PickledType("float64", .float64, storage: "Double"),
        PickledType("float32", .float32, storage: "Float"),
        PickledType("float16", .float16, storage: "Half"),
        PickledType("bfloat16", .bfloat16, storage: "BFloat16"),
        PickledType("int64", .int64, storage: "Long"), PickledType("int32", .int32, storage: "Int"),
        PickledType("int16", .int16, storage: "Short"), PickledType("int8", .int8, storage: "Char"),
        PickledType("uint8", .uint8, storage: "Byte"), PickledType("bool", .bool, storage: "Bool"),
        PickledType("float8_e4m3fn", .float8), PickledType("float8_e5m2", unread: 1),
        PickledType("float8_e4m3fnuz", unread: 1), PickledType("float8_e5m2fnuz", unread: 1),
        PickledType("float8_e8m0fnu", unread: 1), PickledType("float4_e2m1fn_x2", unread: 1),
        PickledType("uint16", unread: 2), PickledType("uint32", unread: 4), PickledType("uint64", unread: 8),
        PickledType("complex64", unread: 8, storage: "ComplexFloat"),
        PickledType("complex128", unread: 16, storage: "ComplexDouble"),
    ]
    static let storages = all.filter { $0.storage != nil }
}

/// A storage: elements in an entry of the file, which tensors show.
struct PickledStorage {
    /// The entry, by its name in the folder `data`.
    let key: String
    /// What its elements are; nil when only the tensors that show it know.
    let type: PickledType?
    /// How many elements it claims to have, or bytes where it has no type.
    let count: Int
}

/// A tensor as the pickle describes it; nothing about it has been compared with the file.
struct PickledTensor {
    let storage: PickledStorage
    /// What its elements are.
    let type: PickledType
    /// The element of the storage that is its first.
    let offset: Int
    /// Outermost first.
    let extents: [Int]
    /// In elements, one for each extent.
    let strides: [Int]
}

/// What the pickle of a checkpoint holds by names.
struct PickledContents {
    var tensors: [(name: String, tensor: PickledTensor)] = []
    var passedOver: [PassedOver] = []
    /// What the user should know.
    var warnings: [String] = []
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
