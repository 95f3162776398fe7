import Storage

/// Filters that make or look into rows of values, and the few that do neither.
extension Interpreter {
    func apply(rowFilter filter: Filter, to value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        switch filter {
        case .d, .default:
            let bound = try bind(arguments, to: "default_value", "boolean", of: "default")
            let replacesFalse = bound[1].map(truth) ?? false
            return value.isUndefined || (replacesFalse && !truth(value)) ? bound[0] ?? .text("") : value
        case .attr:
            let bound = try bind(arguments, to: "name", required: 1, of: "attr")
            return try attr(AttributeName(try string(bound[0], "the name of attr").text), of: value)
        case .length, .count:
            _ = try bind(arguments, of: "length")
            return .int(try length(of: value))
        case .list: return try list(try plain(filter, value, arguments))
        case .first: return try first(value, arguments)
        case .last:
            if case .object = value { throw failure("'\(typeName(value))' object is not reversible") }
            return try plain(filter, value, arguments).last
                ?? .undefined(Undefined(.said("No last item, sequence was empty.")))
        case .items: return try items(value, arguments)
        case .reverse: return try reverse(value, arguments)
        case .join: return try join(value, arguments)
        case .sort: return try sort(value, arguments)
        case .dictsort: return try dictsort(value, arguments)
        case .unique: return try unique(value, arguments)
        case .groupby: return try groupby(value, arguments)
        case .batch: return try batch(value, arguments)
        default: return try slices(value, arguments)
        }
    }

    private func plain(_ filter: Filter, _ value: Value, _ arguments: Arguments) throws(Failure) -> [Value] {
        _ = try bind(arguments, of: filter.rawValue)
        return try elements(of: value)
    }

    private func attr(_ name: AttributeName, of value: Value) throws(Failure) -> Value {
        // Unlike the dot, this does not look for elements.
        if case .dict = value, !name.isMethodOfDict {
            return .undefined(Undefined(.attribute(name.text, of: "dict")))
        }
        return try attribute(name, of: value)
    }

    func length(of value: Value) throws(Failure) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text):
            try charge(text.bytes.count / 8)
            return text.length
        case .list(let list): return list.elements.count
        case .dict(let dict): return dict.count
        case .object(let number):
            if case .loop(let state) = objects[number] { return try length(state) }
        default: break
        }
        throw failure("object of type '\(typeName(value))' has no len()")
    }

    private func first(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        _ = try bind(arguments, of: "first")
        let first: Value?
        if case .string(let text) = value {
            first = text.character(0).map(Value.string)
        } else {
            var cursor = try cursor(over: value)
            first = try next(&cursor)
        }
        return first ?? .undefined(Undefined(.said("No first item, sequence was empty.")))
    }

    private func items(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        _ = try bind(arguments, of: "items")
        switch value {
        case .undefined: return try generator(.elements([], next: 0))
        case .dict(let dict): return try generator(.elements(try pairs(of: dict), next: 0))
        default: throw failure("Can only get item pairs from a mapping.")
        }
    }

    /// The keys and values of a dict, as tuples.
    func pairs(of dict: Dict) throws(Failure) -> [Value] {
        var pairs: [Value] = []
        for entry in dict.entries { pairs.append(try list([entry.key, entry.value], .tuple)) }
        return pairs
    }

    private func reverse(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        if case .string(let text) = value {
            _ = try bind(arguments, of: "reverse")
            try charge(characters: 3 * text.bytes.count)
            var result = MarkedText()
            for character in text.characters.reversed() { result.append(character) }
            return .string(result)
        }
        return try generator(.elements(try plain(.reverse, value, arguments).reversed(), next: 0))
    }

    private func join(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "d", "attribute", of: "join")
        let separator = try bound[0].map { (value) throws(Failure) in try text(of: value) } ?? MarkedText()
        let path = path(bound[1])
        var parts: [MarkedText] = []
        for element in try elements(of: value) { parts.append(try text(of: try follow(path, from: element))) }
        return .string(try joined(parts, separator))
    }

    func joined(_ parts: [MarkedText], _ separator: MarkedText) throws(Failure) -> MarkedText {
        try charge(separator.bytes.count + Interpreter.elementSize, times: parts.count)
        var result = MarkedText()
        for (index, part) in parts.enumerated() {
            try charge(part.bytes.count)
            if index > 0 { result.append(separator) }
            result.append(part)
        }
        return result
    }

    // MARK: Order

    private func sort(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "reverse", "case_sensitive", "attribute", of: "sort")
        let isCaseSensitive = bound[1].map(truth) ?? false
        var paths = [path(bound[2])]
        if let text = bound[2]?.string {
            paths = text.split(MarkedText(","), limit: .max).map { path(.string($0)) }
        }
        let sorted = try sorted(try elements(of: value), descending: bound[0].map(truth) ?? false) {
            (element) throws(Failure) in
            var keys: [Value] = []
            for path in paths {
                keys.append(
                    try comparable(try follow(path, from: element), isCaseSensitive: isCaseSensitive))
            }
            return try list(keys)
        }
        return try list(sorted)
    }

    private func dictsort(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "case_sensitive", "by", "reverse", of: "dictsort")
        let isCaseSensitive = bound[0].map(truth) ?? false
        let by = try bound[1].map { (value) throws(Failure) in try string(value, "by").text } ?? "key"
        guard by == "key" || by == "value" else {
            throw failure("You can only sort by either \"key\" or \"value\"")
        }
        if case .undefined(let reason) = value { throw failure(reason.message) }
        guard case .dict(let dict) = value else {
            throw failure("'\(typeName(value))' object has no attribute 'items'")
        }
        let entries = try sorted(dict.entries, descending: bound[2].map(truth) ?? false) {
            (entry) throws(Failure) in
            try comparable(by == "key" ? entry.key : entry.value, isCaseSensitive: isCaseSensitive)
        }
        var pairs: [Value] = []
        for entry in entries { pairs.append(try list([entry.key, entry.value], .tuple)) }
        return try list(pairs)
    }

    private func unique(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "case_sensitive", "attribute", of: "unique")
        let isCaseSensitive = bound[0].map(truth) ?? false
        let path = path(bound[1])
        var seen: Set<DictKey> = []
        var result: [Value] = []
        for element in try elements(of: value) {
            try countStep()
            let key = try key(
                try comparable(try follow(path, from: element), isCaseSensitive: isCaseSensitive))
            if seen.insert(key).inserted { result.append(element) }
        }
        return try generator(.elements(result, next: 0))
    }

    private func groupby(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(
            arguments, to: "attribute", "default", "case_sensitive", required: 1, of: "groupby")
        let path = path(bound[0])
        let isCaseSensitive = bound[2].map(truth) ?? false
        func key(_ element: Value) throws(Failure) -> Value {
            try comparable(
                try follow(path, from: element, default: bound[1]), isCaseSensitive: isCaseSensitive)
        }
        var groups: [(key: Value, elements: [Value])] = []
        for element in try sorted(try elements(of: value), descending: false, by: key) {
            let key = try key(element)
            if let last = groups.last, try equal(last.key, key) {
                groups[groups.count - 1].elements.append(element)
            } else {
                groups.append((key, [element]))
            }
        }
        var result: [Value] = []
        for group in groups {
            let name = try follow(path, from: group.elements[0], default: bound[1])
            result.append(try list([name, try list(group.elements)], .group))
        }
        return try list(result)
    }

    // MARK: Cutting

    private func batch(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "linecount", "fill_with", required: 1, of: "batch")
        let size = try integer(bound[0], "the size of a batch") ?? 0
        var rows: [Value] = []
        var row: [Value] = []
        for element in try elements(of: value) {
            if row.count == size {
                rows.append(try list(row))
                row = []
            }
            row.append(element)
        }
        if !row.isEmpty {
            if let fill = try filling(bound[1]), row.count < size {
                try charge(elements: size - row.count)
                row += Array(repeating: fill, count: size - row.count)
            }
            rows.append(try list(row))
        }
        return try generator(.elements(rows, next: 0))
    }

    private func filling(_ value: Value?) throws(Failure) -> Value? {
        if case .none? = value { return nil }
        return value
    }

    private func slices(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "slices", "fill_with", required: 1, of: "slice")
        let count = try integer(bound[0], "the number of slices") ?? 0
        guard count != 0 else { throw failure("integer division or modulo by zero") }
        let elements = try elements(of: value)
        try charge(elements: count)
        var result: [Value] = []
        var start = 0
        for number in 0..<max(count, 0) {
            let isLonger = number < elements.count % count
            let end = start + elements.count / count + (isLonger ? 1 : 0)
            var part = Array(elements[start..<end])
            if let fill = try filling(bound[1]), !isLonger { part.append(fill) }
            result.append(try list(part))
            start = end
        }
        return try generator(.elements(result, next: 0))
    }
}
