import Storage

/// The values that a call is given.
struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    /// Takes a keyword out.
    mutating func pop(_ name: String) -> Value? {
        guard let index = keywords.firstIndex(where: { $0.name == name }) else { return nil }
        return keywords.remove(at: index).value
    }
}

/// Arguments by the order of a function's parameters; what was not given is nil.
struct Bound {
    private let values: [Value?]

    init(_ values: [Value?]) { self.values = values }

    subscript(index: Int) -> Value? { index < values.count ? values[index] : nil }
}

extension Interpreter {
    /// Gives the arguments of a call to a function's parameters.
    func bind(
        _ arguments: Arguments, to parameters: String..., required: Int = 0, of function: String
    ) throws(Failure) -> Bound {
        guard arguments.positional.count <= parameters.count else {
            throw failure(
                "\(function) takes at most \(parameters.count) arguments, got \(arguments.positional.count)")
        }
        var values: [Value?] = arguments.positional
        values += Array(repeating: nil, count: parameters.count - values.count)
        for (name, value) in arguments.keywords {
            guard let index = parameters.firstIndex(of: name) else {
                throw failure("\(function) got an unexpected keyword argument '\(name)'")
            }
            guard values[index] == nil else { throw failure("\(function) got two values for '\(name)'") }
            values[index] = value
        }
        for index in 0..<required where values[index] == nil {
            throw failure("\(function) lacks the argument '\(parameters[index])'")
        }
        return Bound(values)
    }

    /// An argument that must be an integer where it is given.
    func integer(_ value: Value?, _ what: String) throws(Failure) -> Int? {
        guard let value else { return nil }
        guard let integer = value.integer else { throw failure("\(what) must be an integer") }
        return integer
    }

    /// The same where None is nothing, too.
    func integerOrNone(_ value: Value?, _ what: String) throws(Failure) -> Int? {
        if case .none? = value { return nil }
        return try integer(value, what)
    }

    /// An argument that must be a string.
    func string(_ value: Value?, _ what: String) throws(Failure) -> MarkedText {
        guard let text = value?.string else { throw failure("\(what) must be a string") }
        return text
    }
}
