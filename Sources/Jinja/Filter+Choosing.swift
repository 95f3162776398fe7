import Storage

/// The filters that go over values one by one: each value is looked at when it is asked for, as Python's generators do.
extension Interpreter {
    func apply(choosingFilter filter: Filter, to value: Value, _ arguments: Arguments) throws(Failure)
        -> Value
    {
        // Nothing is asked of the arguments where there is nothing to go over.
        guard truth(value) else { return try generator(.elements([], next: 0)) }
        let step: Generator.Step =
            filter == .map ? try mapping(arguments) : try choosing(filter, arguments)
        return try generator(try cursor(over: value), step: step)
    }

    private func mapping(_ arguments: Arguments) throws(Failure) -> Generator.Step {
        var arguments = arguments
        if arguments.positional.isEmpty, let attribute = arguments.pop("attribute") {
            let fallback = arguments.pop("default")
            if let name = arguments.keywords.first?.name {
                throw failure("Unexpected keyword argument '\(name)'")
            }
            let path = path(attribute)
            var isNone = false
            if case .none? = fallback { isNone = true }
            let used = isNone ? nil : fallback
            return { (interpreter, value) throws(Failure) in
                try interpreter.follow(path, from: value, default: used)
            }
        }
        guard !arguments.positional.isEmpty else { throw failure("map requires a filter argument") }
        let filter = try filter(try string(arguments.positional.removeFirst(), "the name of a filter").text)
        let rest = arguments
        return { (interpreter, value) throws(Failure) in try interpreter.apply(filter, to: value, rest) }
    }

    private func choosing(_ filter: Filter, _ arguments: Arguments) throws(Failure) -> Generator.Step {
        var arguments = arguments
        var path: [Value] = []
        if filter == .selectattr || filter == .rejectattr {
            guard !arguments.positional.isEmpty else { throw failure("Missing parameter for attribute name") }
            path = self.path(arguments.positional.removeFirst())
        }
        let wanted = filter == .select || filter == .selectattr
        let attribute = path
        guard !arguments.positional.isEmpty else {
            return { (interpreter, value) throws(Failure) in
                interpreter.truth(try interpreter.follow(attribute, from: value)) == wanted ? value : nil
            }
        }
        let test = try test(try string(arguments.positional.removeFirst(), "the name of a test").text)
        let rest = arguments
        return { (interpreter, value) throws(Failure) in
            let tested = try interpreter.follow(attribute, from: value)
            return try interpreter.check(test, tested, rest) == wanted ? value : nil
        }
    }
}
