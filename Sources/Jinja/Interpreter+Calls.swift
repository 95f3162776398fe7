import Storage

/// Calling functions, methods and macros.
extension Interpreter {
    func call(_ value: Value, _ arguments: Arguments) throws(Failure) -> Value {
        switch value {
        case .function(let function): return try call(function, arguments)
        case .method(let owner, let name): return try call(method: name, of: owner, arguments)
        case .object(let number):
            switch objects[number] {
            case .macro(let closure): return try call(closure, arguments)
            case .joiner(let joiner):
                defer { joiner.wasUsed = true }
                return joiner.wasUsed ? joiner.separator : .text("")
            case .loop(let state): return try recurse(state, arguments)
            default: break
            }
        case .undefined(let reason): throw failure(reason.message)
        default: break
        }
        throw failure("'\(typeName(value))' object is not callable")
    }

    private func call(method name: String, of owner: Value, _ arguments: Arguments) throws(Failure) -> Value {
        switch owner {
        case .string(let text): return try call(textMethod: name, of: text, arguments)
        case .list(let list): return try call(listMethod: name, of: list, arguments)
        case .dict(let dict): return try call(dictMethod: name, of: dict, arguments)
        case .function: return try fromkeys(arguments)
        case .double(let value): return .bool(value.rounded() == value)
        case .object(let number):
            switch objects[number] {
            case .cycler(let cycler): return turn(cycler, name)
            case .loop(let state): return try call(loopMethod: name, of: state, arguments)
            default: break
            }
        default: break
        }
        throw failure("'\(typeName(owner))' object has no method '\(name)'")
    }

    private func turn(_ cycler: Cycler, _ name: String) -> Value {
        if name == "reset" {
            cycler.position = 0
            return .none
        }
        defer { cycler.position = (cycler.position + 1) % cycler.values.count }
        return cycler.values[cycler.position]
    }

    // MARK: Loops

    private func recurse(_ state: LoopState, _ arguments: Arguments) throws(Failure) -> Value {
        guard let (loop, scope) = state.recursion else {
            throw failure("The loop must have the 'recursive' marker to be called recursively.")
        }
        let bound = try bind(arguments, to: "iterable", required: 1, of: "loop")
        return .string(try recurse(loop, over: bound[0] ?? .none, depth: state.depth + 1, scope))
    }

    private func call(
        loopMethod name: String, of state: LoopState, _ arguments: Arguments
    ) throws(Failure) -> Value {
        let values = arguments.positional
        if name == "cycle" {
            guard !values.isEmpty else { throw failure("no items for cycling given") }
            return values[state.index % values.count]
        }
        if let last = state.lastChanged, try equal(.list(List(last)), .list(List(values))) {
            return .bool(false)
        }
        state.lastChanged = values
        return .bool(true)
    }

    // MARK: Macros

    private func call(_ closure: MacroClosure, _ arguments: Arguments) throws(Failure) -> Value {
        let macro = closure.macro
        let scope = Scope(in: closure.scope)
        var arguments = arguments
        let parameters = macro.parameters
        var givenByKeyword: Set<String> = []
        for (index, parameter) in parameters.enumerated() {
            if index < arguments.positional.count {
                scope.set(parameter.name, arguments.positional[index])
            } else if let value = arguments.pop(parameter.text) {
                givenByKeyword.insert(parameter.text)
                scope.set(parameter.name, value)
            }
        }
        try bindSpecials(of: macro, &arguments, scope)
        for (index, parameter) in parameters.enumerated()
        where index >= arguments.positional.count && !givenByKeyword.contains(parameter.text) {
            scope.set(parameter.name, try fallback(parameter, scope))
        }
        let text = try capture { () throws(Failure) in try run(macro.body, scope) }.text
        return .string(text)
    }

    private func fallback(_ parameter: Macro.Parameter, _ scope: Scope) throws(Failure) -> Value {
        guard let fallback = parameter.fallback else {
            return .undefined(Undefined(.said("parameter '\(parameter.text)' was not provided")))
        }
        return try evaluate(fallback, scope)
    }

    /// `caller`, `kwargs` and `varargs`, where the macro mentions them; without them too many arguments are an error.
    private func bindSpecials(of macro: Macro, _ arguments: inout Arguments, _ scope: Scope) throws(Failure) {
        let count = macro.parameters.count
        func set(_ name: String, _ value: Value) {
            if let number = number(of: name) { scope.set(number, value) }
        }
        if macro.takesCaller, !macro.parameters.contains(where: { $0.text == "caller" }) {
            set("caller", arguments.pop("caller") ?? .undefined(Undefined(.said("No caller defined"))))
        }
        if macro.takesKeywords {
            var dict = Dict()
            for (name, value) in arguments.keywords { dict.set(name, to: value) }
            try charge(elements: dict.count)
            set("kwargs", try checked(.dict(dict)))
        } else if let first = arguments.keywords.first {
            throw failure("macro '\(macro.name)' takes no keyword argument '\(first.name)'")
        }
        if macro.takesFurther {
            set("varargs", try list(Array(arguments.positional.dropFirst(count)), .tuple))
        } else if arguments.positional.count > count {
            throw failure("macro '\(macro.name)' takes not more than \(count) argument(s)")
        }
    }

    // MARK: Functions

    private func call(_ function: Function, _ arguments: Arguments) throws(Failure) -> Value {
        switch function {
        case .range: return try range(arguments)
        case .dict: return .dict(try dict(arguments))
        case .namespace:
            let values = try dict(arguments)
            for key in values.keys { if let name = key.string { try check(nameInNamespace: name.text) } }
            return try add(.namespace(Namespace(values)))
        case .cycler:
            guard !arguments.positional.isEmpty else { throw failure("at least one item has to be provided") }
            return try add(.cycler(Cycler(arguments.positional)))
        case .joiner:
            return try add(.joiner(Joiner(try bind(arguments, to: "sep", of: "joiner")[0] ?? .text(", "))))
        case .raiseException:
            let message = try bind(arguments, to: "message", required: 1, of: "raise_exception")[0] ?? .none
            let words = try text(of: message).text
            throw failure(
                String(words.prefix(longestComplaint)) + (words.count > longestComplaint ? " ..." : ""))
        case .strftimeNow:
            let format = try bind(arguments, to: "format", required: 1, of: "strftime_now")[0]
            let text = try string(format, "the format of strftime_now")
            try charge(characters: 100 + 20 * text.bytes.count)
            return try string(MarkedText(clock.formatted(text.text), origin: text.mainOrigin))
        case .lipsum: throw failure("lipsum is not available")
        }
    }

    /// Characters of what a template complains with that are said.
    private var longestComplaint: Int { 500 }

    /// `dict(…)`: of a dict or pairs, and keywords.
    private func dict(_ arguments: Arguments) throws(Failure) -> Dict {
        guard arguments.positional.count <= 1 else { throw failure("dict expected at most 1 argument") }
        var dict = Dict()
        if case .dict(let given)? = arguments.positional.first {
            dict = given
        } else if let pairs = arguments.positional.first {
            for pair in try elements(of: pairs) {
                let parts = try elements(of: pair)
                guard parts.count == 2 else { throw failure("dict needs pairs of a key and a value") }
                dict.set(try key(parts[0]), to: parts[1])
            }
        }
        for (name, value) in arguments.keywords { dict.set(name, to: value) }
        try charge(elements: dict.count)
        _ = try checked(.dict(dict))
        return dict
    }

    /// The longest range that the sandbox makes.
    private static let longestRange = 100_000

    private func range(_ arguments: Arguments) throws(Failure) -> Value {
        guard arguments.keywords.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw failure("range expects 1 to 3 arguments and no keywords")
        }
        var numbers: [Int] = []
        for value in arguments.positional {
            guard let number = value.integer else {
                throw failure("'\(typeName(value))' object cannot be interpreted as an integer")
            }
            numbers.append(number)
        }
        let start = numbers.count > 1 ? numbers[0] : 0
        let end = numbers.count > 1 ? numbers[1] : numbers[0]
        let step = numbers.count > 2 ? numbers[2] : 1
        guard step != 0 else { throw failure("range() arg 3 must not be zero") }
        let row = stride(from: start, to: end, by: step)
        let elements = row.prefix(Interpreter.longestRange + 1).map(Value.int)
        guard elements.count <= Interpreter.longestRange else {
            throw failure("Range too big. The sandbox blocks ranges larger than \(Interpreter.longestRange).")
        }
        return try list(elements, .range(start: start, end: end, step: step))
    }
}
