import Storage

/// The methods of dicts.
enum DictMethods {
    /// What the immutable sandbox refuses.
    static let mutating: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]
    static let names: Set<String> = mutating.union(["copy", "fromkeys", "get", "items", "keys", "values"])
}

/// The methods of lists, and of what is like lists.
enum ListMethods {
    /// What the immutable sandbox refuses.
    static let mutating: Set<String> = [
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
    ]
    private static let list: Set<String> = mutating.union(["copy", "count", "index"])
    private static let tuple: Set<String> = ["count", "index"]

    static func names(_ kind: List.Kind) -> Set<String> {
        switch kind {
        case .list: list
        case .tuple, .group, .range: tuple
        case .keys, .values, .items: []
        }
    }
}

extension Interpreter {
    func call(dictMethod name: String, of dict: Dict, _ arguments: Arguments) throws(Failure) -> Value {
        switch name {
        case "get":
            let bound = try bind(arguments, to: "key", "default", required: 1, of: "get")
            return dict[try key(bound[0] ?? .none)] ?? bound[1] ?? .none
        case "items":
            _ = try bind(arguments, of: name)
            return try list(try pairs(of: dict), .items)
        case "keys":
            _ = try bind(arguments, of: name)
            return try list(dict.keys, .keys)
        case "values":
            _ = try bind(arguments, of: name)
            return try list(dict.values, .values)
        case "copy":
            _ = try bind(arguments, of: name)
            return .dict(dict)
        default: return try fromkeys(arguments)
        }
    }

    /// `dict.fromkeys`.
    func fromkeys(_ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "iterable", "value", required: 1, of: "fromkeys")
        var dict = Dict()
        for element in try elements(of: bound[0] ?? .none) {
            try charge(elements: 1)
            dict.set(try key(element), to: bound[1] ?? .none)
        }
        return try checked(.dict(dict))
    }

    func call(listMethod name: String, of list: List, _ arguments: Arguments) throws(Failure) -> Value {
        switch name {
        case "copy":
            _ = try bind(arguments, of: name)
            return .list(list)
        case "count":
            let bound = try bind(arguments, to: "value", required: 1, of: name)
            var count = 0
            for element in list.elements {
                try charge(elements: 1)
                if try equal(element, bound[0] ?? .none) { count += 1 }
            }
            return .int(count)
        default: return try index(in: list, arguments)
        }
    }

    private func index(in list: List, _ arguments: Arguments) throws(Failure) -> Value {
        let bound = try bind(arguments, to: "value", "start", "stop", required: 1, of: "index")
        let count = list.elements.count
        func cut(_ bound: Int?, _ fallback: Int) -> Int {
            min(max(bound.map { $0 < 0 ? $0 &+ count : $0 } ?? fallback, 0), count)
        }
        let start = cut(try integer(bound[1], "the start of index"), 0)
        let end = cut(try integer(bound[2], "the stop of index"), count)
        for index in start..<max(start, end) {
            try charge(elements: 1)
            if try equal(list.elements[index], bound[0] ?? .none) { return .int(index) }
        }
        throw failure("\(try represented(bound[0] ?? .none).text) is not in list")
    }
}
