import Storage

/// Attributes, elements and slices.
extension Interpreter {
    /// `value.name`: what Python has by this name, or else the element.
    func attribute(_ name: AttributeName, of value: Value) throws(Failure) -> Value {
        if case .dict(let dict) = value {
            if name.isMethodOfDict { return try method(name.text, of: value) }
            if let element = dict[name.key] { return element }
        } else if let attribute = try ownAttribute(name.text, of: value) {
            return attribute
        }
        return .undefined(Undefined(.attribute(name.text, of: pythonName(value))))
    }

    /// `value[key]`: the element, or else what Python has by this name.
    func item(_ key: Value, of value: Value) throws(Failure) -> Value {
        switch value {
        case .undefined(let reason): throw failure(reason.message)
        case .dict(let dict):
            if let key = DictKey(key), let element = dict[key] { return element }
        case .list(let list) where list.kind.isSequence:
            if let number = key.integer { return element(number, of: list.elements, key) }
        case .string(let text):
            if let number = key.integer {
                try charge(text.bytes.count / 8)
                if let character = text.character(number) { return .string(character) }
            }
        default: break
        }
        if let name = key.string?.text {
            if case .dict = value, DictMethods.names.contains(name) { return try method(name, of: value) }
            if let attribute = try ownAttribute(name, of: value) { return attribute }
            return .undefined(Undefined(.attribute(name, of: pythonName(value))))
        }
        return .undefined(Undefined(.element(try text(of: key).text, of: pythonName(value))))
    }

    private func element(_ number: Int, of elements: [Value], _ key: Value) -> Value {
        // Two's complement: no number below zero reaches the other end by overflow.
        let index = number < 0 ? number &+ elements.count : number
        if elements.indices.contains(index) { return elements[index] }
        return .undefined(Undefined(.element("\(number)", of: "list")))
    }

    private func pythonName(_ value: Value) -> String {
        switch value {
        case .dict, .list, .string, .int, .double, .bool: value.typeName
        case .none: "None"
        default: typeName(value)
        }
    }

    /// What Python has by this name, nil where it has nothing.
    private func ownAttribute(_ name: String, of value: Value) throws(Failure) -> Value? {
        switch value {
        case .undefined(let reason): throw failure(reason.message)
        case .string: return TextMethods.names.contains(name) ? try method(name, of: value) : nil
        case .list(let list):
            if list.kind == .group, let place = ["grouper", "list"].firstIndex(of: name) {
                return list.elements[place]
            }
            return ListMethods.names(list.kind).contains(name) ? try method(name, of: value) : nil
        case .int, .bool, .double: return try numberAttribute(name, of: value)
        case .object(let number): return try attribute(name, of: number)
        case .function(.dict): return name == "fromkeys" ? .method(value, name: name) : nil
        default: return nil
        }
    }

    /// A method, where the sandbox allows it.
    private func method(_ name: String, of value: Value) throws(Failure) -> Value {
        let isMutating: Bool =
            switch value {
            case .dict: DictMethods.mutating.contains(name)
            case .list(let list): list.kind == .list && ListMethods.mutating.contains(name)
            default: false
            }
        if isMutating {
            return .undefined(
                Undefined(.said("access to attribute '\(name)' of '\(value.typeName)' object is unsafe.")))
        }
        return try checked(.method(value, name: name))
    }

    private func numberAttribute(_ name: String, of value: Value) throws(Failure) -> Value? {
        switch (value, name) {
        case (_, "real"): value.integer.map(Value.int) ?? value
        case (.double, "imag"): .double(0)
        case (_, "imag"): .int(0)
        case (.double, "is_integer"): .method(value, name: name)
        default: nil
        }
    }

    private func attribute(_ name: String, of object: Int) throws(Failure) -> Value? {
        switch objects[object] {
        case .namespace(let namespace): namespace.values[name]
        case .loop(let state): try attribute(name, of: state, .object(object))
        case .cycler(let cycler):
            switch name {
            case "current": cycler.values[cycler.position]
            case "next", "reset": .method(.object(object), name: name)
            default: nil
            }
        case .macro(let closure): name == "name" ? .text(closure.macro.name) : nil
        case .generator, .joiner: nil
        }
    }

    private func attribute(_ name: String, of loop: LoopState, _ object: Value) throws(Failure) -> Value? {
        switch name {
        case "index": return .int(loop.index + 1)
        case "index0": return .int(loop.index)
        case "first": return .bool(loop.index == 0)
        case "last": return .bool(try peek(loop) == nil)
        case "length": return .int(try length(loop))
        case "revindex": return .int(try length(loop) - loop.index)
        case "revindex0": return .int(try length(loop) - loop.index - 1)
        case "depth": return .int(loop.depth + 1)
        case "depth0": return .int(loop.depth)
        case "previtem": return loop.previous ?? .undefined(Undefined(.said("there is no previous item")))
        case "nextitem": return try peek(loop) ?? .undefined(Undefined(.said("there is no next item")))
        case "cycle", "changed": return .method(object, name: name)
        default: return nil
        }
    }

    private func peek(_ loop: LoopState) throws(Failure) -> Value? {
        if loop.ahead == nil { loop.ahead = try next(&loop.cursor) }
        return loop.ahead
    }

    /// How many values a loop goes over; what is made one by one is made at once for that.
    func length(_ loop: LoopState) throws(Failure) -> Int {
        if let length = loop.length { return length }
        var rest: [Value] = []
        while let value = try next(&loop.cursor) {
            try charge(elements: 1)
            rest.append(value)
        }
        let length = loop.index + 1 + (loop.ahead == nil ? 0 : 1) + rest.count
        loop.cursor = .elements(rest, next: 0)
        loop.length = length
        return length
    }

    // MARK: Slices

    func slice(_ value: Value, _ start: Int?, _ end: Int?, _ step: Int?) throws(Failure) -> Value {
        switch value {
        case .list(let list) where list.kind.isSequence:
            let numbers = try sliceNumbers(list.elements.count, start, end, step)
            try charge(elements: numbers.count)
            return try self.list(numbers.map { list.elements[$0] }, list.kind.isTuple ? .tuple : .list)
        case .string(let text):
            try charge(text.bytes.count)
            return .string(try slice(text, start, end, step))
        case .undefined(let reason): throw failure(reason.message)
        default: throw failure("'\(typeName(value))' object is not subscriptable")
        }
    }

    private func slice(_ text: MarkedText, _ start: Int?, _ end: Int?, _ step: Int?) throws(Failure)
        -> MarkedText
    {
        let starts = text.characterStarts + [text.bytes.count]
        let numbers = try sliceNumbers(starts.count - 1, start, end, step)
        if (step ?? 1) == 1 {
            guard let first = numbers.first else { return MarkedText() }
            return text[starts[first]..<starts[first + numbers.count]]
        }
        try charge(characters: 3 * numbers.count)
        var result = MarkedText()
        for number in numbers { result.append(text[starts[number]..<starts[number + 1]]) }
        return result
    }

    /// Which elements of a row of a length a slice takes.
    private func sliceNumbers(_ count: Int, _ start: Int?, _ end: Int?, _ step: Int?) throws(Failure) -> [Int]
    {
        let step = step ?? 1
        guard step != 0 else { throw failure("slice step cannot be zero") }
        // Python's rule: ends below zero count from the end, and all are cut to what there is.
        let (lowest, highest) = step > 0 ? (0, count) : (-1, count - 1)
        func cut(_ bound: Int) -> Int { min(max(bound < 0 ? bound &+ count : bound, lowest), highest) }
        let first = start.map(cut) ?? (step > 0 ? 0 : count - 1)
        let last = end.map(cut) ?? (step > 0 ? count : -1)
        // A step beyond the length takes one element, as any such step.
        let stride = max(min(step, count + 1), -count - 1)
        return Array(Swift.stride(from: first, to: last, by: stride))
    }
}
