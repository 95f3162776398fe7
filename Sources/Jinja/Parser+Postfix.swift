import Storage

/// What follows a value: attributes, elements, calls, filters and tests.
extension Parser {
    /// A value with its attributes, elements and calls.
    mutating func accessed(_ value: Expression) throws(Failure) -> Expression {
        var steps: [Postfix] = []
        while let step = try access() { steps.append(step) }
        return join(value, steps)
    }

    /// The same with filters and tests.
    mutating func filtered(_ value: Expression) throws(Failure) -> Expression {
        var steps: [Postfix] = []
        while true {
            let line = line
            if skip(.pipe) {
                steps.append(try filter())
            } else if skip(word: "is") {
                steps.append(try test(line))
            } else if at(.openParenthesis) {
                steps.append(Postfix(kind: .call(try arguments()), line: line))
            } else {
                return join(value, steps)
            }
        }
    }

    private func join(_ value: Expression, _ steps: [Postfix]) -> Expression {
        if steps.isEmpty { return value }
        if case .postfix(let base, let before) = value { return .postfix(base, before + steps) }
        return .postfix(value, steps)
    }

    private mutating func access() throws(Failure) -> Postfix? {
        let line = line
        switch token.kind {
        case .symbol(.dot):
            next()
            switch next().kind {
            case .name(let name): return Postfix(kind: .attribute(AttributeName(name)), line: line)
            case .integer(let number): return Postfix(kind: .item(.constant(.int(number))), line: line)
            default: throw failure("expected name or number", line: line)
            }
        case .symbol(.openBracket):
            next()
            return Postfix(kind: try subscripted(), line: line)
        case .symbol(.openParenthesis): return Postfix(kind: .call(try arguments()), line: line)
        default: return nil
        }
    }

    private mutating func subscripted() throws(Failure) -> Postfix.Kind {
        var start: Expression?
        if !at(.colon) {
            let first = try expression()
            if at(.comma) { return .item(try tupleOfKeys(first)) }
            guard at(.colon) else {
                try expect(.closeBracket)
                return .item(first)
            }
            start = first
        }
        next()
        let end = at(.colon) || at(.closeBracket) ? nil : try expression()
        let step = skip(.colon) && !at(.closeBracket) ? try expression() : nil
        try expect(.closeBracket)
        return .slice(start: start, end: end, step: step)
    }

    private mutating func tupleOfKeys(_ first: Expression) throws(Failure) -> Expression {
        var keys = [first]
        while skip(.comma) { keys.append(try expression()) }
        try expect(.closeBracket)
        return .tuple(keys)
    }

    // MARK: Filters and tests

    /// The filters behind `|`.
    mutating func filters() throws(Failure) -> [Postfix] {
        var filters: [Postfix] = []
        while skip(.pipe) { filters.append(try filter()) }
        return filters
    }

    /// A filter from its name on.
    mutating func filter() throws(Failure) -> Postfix {
        let line = line
        let name = try dottedName()
        if Filter(rawValue: name) == nil { note(failure("No filter named '\(name)'.", line: line)) }
        let arguments = at(.openParenthesis) ? try arguments() : CallArguments()
        return Postfix(kind: .filter(name, arguments), line: line)
    }

    private mutating func note(_ failure: Failure) {
        if !isConditional, unknown == nil { unknown = failure }
    }

    private mutating func test(_ line: Int) throws(Failure) -> Postfix {
        let isNegated = skip(word: "not")
        let name = try dottedName()
        if Check(rawValue: name) == nil { note(failure("No test named '\(name)'.", line: line)) }
        var arguments = CallArguments()
        if at(.openParenthesis) {
            arguments = try self.arguments()
        } else if startsArgument() {
            if at(word: "is") { throw failure("You cannot chain multiple tests with is") }
            arguments.positional = [
                try deeper { (parser) throws(Failure) in try parser.argumentOfTest() }
            ]
        }
        return Postfix(kind: .test(name, arguments, isNegated: isNegated), line: line)
    }

    /// Whether the value that a test is given without parentheses begins here.
    private func startsArgument() -> Bool {
        switch token.kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .float, .symbol(.openBracket), .symbol(.openBrace): true
        default: false
        }
    }

    private mutating func dottedName() throws(Failure) -> String {
        var name = try expectName()
        while skip(.dot) { name += "." + (try expectName()) }
        return name
    }

    // MARK: Arguments

    mutating func arguments() throws(Failure) -> CallArguments {
        let line = line
        var arguments = CallArguments()
        var isFirst = true
        try expect(.openParenthesis)
        while !at(.closeParenthesis) {
            if !isFirst { try expect(.comma) }
            if at(.closeParenthesis) { break }
            isFirst = false
            guard try addArgument(to: &arguments) else {
                throw failure("invalid syntax for function call expression", line: line)
            }
        }
        next()
        return arguments
    }

    private mutating func addArgument(to arguments: inout CallArguments) throws(Failure) -> Bool {
        guard arguments.furtherKeywords == nil else { return false }
        if skip(.multiply) {
            guard arguments.furtherPositional == nil else { return false }
            arguments.furtherPositional = try expression()
        } else if skip(.power) {
            arguments.furtherKeywords = try expression()
        } else if case .name(let name) = token.kind, following.kind == .symbol(.assign) {
            next()
            next()
            arguments.keywords.append((name, try expression()))
        } else {
            guard arguments.furtherPositional == nil, arguments.keywords.isEmpty else { return false }
            arguments.positional.append(try expression())
        }
        return true
    }
}
