internal import Storage

// What the names stand for that `torch.save` writes.
extension PickleHeap {
    /// The most extents of a tensor, as in PyTorch.
    static let rankLimit = 64

    /// The storage that a persistent identifier names: `('storage', torch.XStorage, key, device, count)`, with None behind
    /// in files of old, where a part of another storage could be named.
    mutating func storage(identifiedBy identifier: PickleValue) throws(Failure) -> PickleValue {
        guard case .tuple(let index) = identifier, hasStorageShape(tuples[index]),
            case .string("storage") = tuples[index][0], case .global(let global) = tuples[index][1],
            case .string(let key) = tuples[index][2], case .string = tuples[index][3],
            case .int(let count) = tuples[index][4]
        else {
            throw .badInput("an identifier does not name a storage")
        }
        switch global {
        case .storage(let type): return try storage(PickledStorage(key: key, type: type, count: count))
        case .untypedStorage: return try storage(PickledStorage(key: key, type: nil, count: count))
        default: throw .badInput("an identifier does not name a storage")
        }
    }

    private func hasStorageShape(_ values: [PickleValue]) -> Bool {
        if values.count == 6, case .none = values[5] { return true }
        return values.count == 5
    }

    /// What the function `function` returns for these arguments.
    mutating func call(_ function: PickleValue, _ arguments: PickleValue) throws(Failure) -> PickleValue {
        guard case .global(let global) = function else { throw .badInput("calls \(function.kind)") }
        guard case .tuple(let index) = arguments else {
            throw .badInput("calls \(global.name) with \(arguments.kind) instead of a tuple")
        }
        switch global {
        case .orderedDictionary: return try orderedDictionary(tuples[index])
        case .rebuildTensor: return try tensor(tensor(from: tuples[index], isTyped: false))
        case .rebuildTypedTensor: return try tensor(tensor(from: tuples[index], isTyped: true))
        case .rebuildParameter: return try parameter(tuples[index])
        case .storage, .untypedStorage, .type:
            throw .badInput("calls \(global.name), which is no function")
        }
    }

    /// Made of nothing, or of one list of pairs.
    private mutating func orderedDictionary(_ arguments: [PickleValue]) throws(Failure) -> PickleValue {
        var items: [PickleValue] = []
        if let argument = arguments.first {
            guard arguments.count == 1, case .list(let list) = argument else {
                throw .badInput("makes an OrderedDict of something else than one list of pairs")
            }
            for pair in lists[list] { items += try elements(ofPair: pair) }
        }
        let dictionary = try dictionary()
        if case .dictionary(let index) = dictionary { try append(items, toDictionary: index) }
        return dictionary
    }

    private func elements(ofPair pair: PickleValue) throws(Failure) -> [PickleValue] {
        let elements: [PickleValue]
        switch pair {
        case .tuple(let index): elements = tuples[index]
        case .list(let index): elements = lists[index]
        default: throw .badInput("makes an OrderedDict of a list with \(pair.kind) in it")
        }
        guard elements.count == 2 else {
            throw .badInput("makes an OrderedDict of a list with \(elements.count) values for a pair")
        }
        return elements
    }

    /// Of a storage, an offset, extents and strides, and a type where the storage has none; whether it wants a gradient
    /// and its hooks do not matter here.
    private func tensor(from arguments: [PickleValue], isTyped: Bool) throws(Failure) -> PickledTensor {
        guard arguments.count == (isTyped ? 7 : 6), case .storage(let index) = arguments[0],
            case .int(let offset) = arguments[1], case .bool = arguments[4],
            case .dictionary = arguments[5]
        else {
            throw .badInput("makes a tensor of other values than a plain tensor has")
        }
        let type: PickledType
        switch (storages[index].type, arguments.last) {
        case (let known?, _) where !isTyped: type = known
        case (nil, .global(.type(let stated))) where isTyped: type = stated
        default: throw .badInput("makes a tensor of other values than a plain tensor has")
        }
        let extents = try integers(arguments[2])
        let strides = try integers(arguments[3])
        guard extents.count == strides.count else {
            throw .badInput("makes a tensor of \(extents.count) extents and \(strides.count) strides")
        }
        return PickledTensor(
            storage: storages[index], type: type, offset: offset, extents: extents, strides: strides)
    }

    /// Of a tensor, which it is, whether it wants a gradient, and hooks.
    private func parameter(_ arguments: [PickleValue]) throws(Failure) -> PickleValue {
        guard arguments.count == 3, case .tensor = arguments[0], case .bool = arguments[1],
            case .dictionary = arguments[2]
        else {
            throw .badInput("makes a parameter of other values than a tensor and its hooks")
        }
        return arguments[0]
    }

    private func integers(_ value: PickleValue) throws(Failure) -> [Int] {
        guard case .tuple(let index) = value, tuples[index].count <= Self.rankLimit else {
            throw .badInput("a shape is no tuple of at most \(Self.rankLimit) integers")
        }
        var integers: [Int] = []
        for element in tuples[index] {
            guard case .int(let integer) = element else {
                throw .badInput("a shape holds \(element.kind) instead of an integer")
            }
            integers.append(integer)
        }
        return integers
    }

    /// What training programs call the part of what they save that is the model.
    private static let wrappers = ["state_dict", "model_state_dict", "model", "module", "model_state"]

    /// What a dictionary of names holds, or the part of it that is a model's state.
    func contents(of value: PickleValue) throws(Failure) -> PickledContents {
        guard case .dictionary(let outer) = value else {
            throw .badInput("holds \(value.kind) instead of a dictionary of tensors")
        }
        var contents = PickledContents()
        var (dictionary, path) = (outer, "")
        // Some save it within another: `{"state_dict": {"model": …}}`.
        while path.utf8.count < 64, let (name, inner) = model(in: dictionary) {
            dictionary = inner
            path += path.isEmpty ? name : ".\(name)"
        }
        if !path.isEmpty {
            let others = dictionaries[outer].count - 1
            contents.warnings.append(
                "the tensors are taken from '\(path)'"
                    + (others > 0 ? "; \(others) other things that training saved are passed over" : ""))
        }
        var names: Set<String> = []
        for item in dictionaries[dictionary] {
            guard case .string(let name) = item.key else {
                throw .badInput("names a tensor with \(item.key.kind) instead of a string")
            }
            guard names.insert(name).inserted else {
                throw .badInput("is there twice", at: "tensor '\(name)'")
            }
            if case .tensor(let tensor) = item.value {
                contents.tensors.append((name, tensors[tensor]))
            } else {
                contents.passedOver.append(PassedOver(name: name, kind: item.value.kind))
            }
        }
        return contents
    }

    /// The one entry that is a model's state, of a dictionary that holds no tensors itself.
    private func model(in dictionary: Int) -> (name: String, inner: Int)? {
        var found: [(name: String, inner: Int)] = []
        for item in dictionaries[dictionary] {
            switch (item.key, item.value) {
            case (_, .tensor): return nil
            case (.string(let name), .dictionary(let inner)) where Self.wrappers.contains(name):
                found.append((name, inner))
            default: break
            }
        }
        return found.count == 1 ? found[0] : nil
    }

    /// A truth value in a dictionary, if there is one under that name.
    func flag(_ name: String, of value: PickleValue) -> Bool? {
        guard case .dictionary(let index) = value else { return nil }
        for item in dictionaries[index] {
            if case (.string(name), .bool(let flag)) = (item.key, item.value) { return flag }
        }
        return nil
    }

    /// The strings of a list of nothing else.
    func strings(of value: PickleValue) throws(Failure) -> [String] {
        guard case .list(let index) = value else { throw .badInput("holds \(value.kind) instead of a list") }
        return try lists[index].map { (element) throws(Failure) in
            guard case .string(let text) = element else {
                throw .badInput("lists \(element.kind) instead of a string")
            }
            return text
        }
    }
}
