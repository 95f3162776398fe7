import Storage

/// Evaluating expressions.
extension Interpreter {
    /// The value of an expression. A caller goes to the call that the expression ends with.
    func evaluate(_ expression: Expression, _ scope: Scope, caller: Value? = nil) throws(Failure) -> Value {
        try countStep()
        try descend()
        defer { ascend() }
        switch expression {
        case .constant(let value): return value
        case .name(let number): return scope.find(number) ?? .undefined(Undefined(name: name(number)))
        case .postfix(let base, let steps):
            return try follow(steps, from: try evaluate(base, scope), scope, caller)
        case .comparison(let first, let rest): return .bool(try compare(first, rest, scope))
        case .arithmetic(let first, let rest): return try calculate(first, rest, scope)
        case .concatenation(let parts): return .string(try concatenate(parts, scope))
        case .and(let parts): return try lastUntil(false, parts, scope)
        case .or(let parts): return try lastUntil(true, parts, scope)
        case .not(let operand): return .bool(!truth(try evaluate(operand, scope)))
        case .conditional(let test, let then, let otherwise):
            return try choose(test, then, otherwise, scope)
        case .list(let parts): return try list(try evaluate(parts, scope))
        case .tuple(let parts): return try list(try evaluate(parts, scope), .tuple)
        case .dict(let entries): return try dict(entries, scope)
        case .negative(let operand): return try negated(try evaluate(operand, scope))
        case .positive(let operand): return try signed(try evaluate(operand, scope))
        }
    }

    private func evaluate(_ expressions: [Expression], _ scope: Scope) throws(Failure) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression, scope)) }
        return values
    }

    private func dict(_ entries: [(key: Expression, value: Expression)], _ scope: Scope) throws(Failure)
        -> Value
    {
        var dict = Dict()
        try charge(elements: entries.count)
        for entry in entries {
            let key = try evaluate(entry.key, scope)
            dict.set(try self.key(key), to: try evaluate(entry.value, scope))
        }
        return try checked(.dict(dict))
    }

    private func choose(
        _ test: Expression, _ then: Expression, _ otherwise: Expression?, _ scope: Scope
    ) throws(Failure) -> Value {
        if truth(try evaluate(test, scope)) { return try evaluate(then, scope) }
        guard let otherwise else {
            return .undefined(
                Undefined(
                    .said("the inline if-expression evaluated to false and no else section was defined.")))
        }
        return try evaluate(otherwise, scope)
    }

    /// The first value whose truth is this, or else the last.
    private func lastUntil(_ end: Bool, _ parts: [Expression], _ scope: Scope) throws(Failure) -> Value {
        var value = Value.none
        for part in parts {
            value = try evaluate(part, scope)
            if truth(value) == end { break }
        }
        return value
    }

    private func concatenate(_ parts: [Expression], _ scope: Scope) throws(Failure) -> MarkedText {
        var result = MarkedText()
        for part in parts {
            let text = try text(of: try evaluate(part, scope))
            try charge(text.bytes.count)
            result.append(text)
        }
        return result
    }

    private func calculate(
        _ first: Expression, _ rest: [(operation: Arithmetic, operand: Expression)], _ scope: Scope
    ) throws(Failure) -> Value {
        var value = try evaluate(first, scope)
        for (operation, operand) in rest {
            value = try calculate(operation, value, try evaluate(operand, scope))
        }
        return value
    }

    /// A chain of comparisons holds where each does; none is made behind one that does not.
    private func compare(
        _ first: Expression, _ rest: [(operation: Comparison, operand: Expression)], _ scope: Scope
    ) throws(Failure) -> Bool {
        var left = try evaluate(first, scope)
        for (operation, operand) in rest {
            let right = try evaluate(operand, scope)
            guard try holds(operation, left, right) else { return false }
            left = right
        }
        return true
    }

    // MARK: What follows a value

    private func follow(
        _ steps: [Postfix], from base: Value, _ scope: Scope, _ caller: Value?
    ) throws(Failure) -> Value {
        var value = base
        for (index, step) in steps.enumerated() {
            try countStep()
            line = step.line
            value = try follow(step, from: value, scope, index == steps.count - 1 ? caller : nil)
        }
        return value
    }

    private func follow(
        _ step: Postfix, from value: Value, _ scope: Scope, _ caller: Value?
    ) throws(Failure) -> Value {
        switch step.kind {
        case .attribute(let name): return try attribute(name, of: value)
        case .item(let key): return try item(try evaluate(key, scope), of: value)
        case .slice(let start, let end, let step):
            return try slice(
                value, try bound(start, scope), try bound(end, scope), try bound(step, scope))
        case .call(let arguments):
            var arguments = try evaluate(arguments, scope)
            if let caller { arguments.keywords.append(("caller", caller)) }
            return try call(value, arguments)
        case .filter(let name, let arguments):
            return try apply(try filter(name), to: value, try evaluate(arguments, scope))
        case .test(let name, let arguments, let isNegated):
            return .bool(try check(try test(name), value, try evaluate(arguments, scope)) != isNegated)
        }
    }

    /// The filters of a block, one after the other.
    func apply(_ filters: [Postfix], to value: Value, _ scope: Scope) throws(Failure) -> Value {
        try follow(filters, from: value, scope, nil)
    }

    func filter(_ name: String) throws(Failure) -> Filter {
        guard let filter = Filter(rawValue: name) else { throw failure("No filter named '\(name)'.") }
        return filter
    }

    func test(_ name: String) throws(Failure) -> Check {
        guard let test = Check(rawValue: name) else { throw failure("No test named '\(name)'.") }
        return test
    }

    private func evaluate(_ arguments: CallArguments, _ scope: Scope) throws(Failure) -> Arguments {
        var result = Arguments()
        result.positional = try evaluate(arguments.positional, scope)
        if let further = arguments.furtherPositional {
            let elements = try elements(of: try evaluate(further, scope))
            try charge(elements: elements.count)
            result.positional += elements
        }
        for keyword in arguments.keywords {
            result.keywords.append((keyword.name, try evaluate(keyword.value, scope)))
        }
        if let further = arguments.furtherKeywords {
            try addKeywords(of: try evaluate(further, scope), to: &result)
        }
        return result
    }

    private func addKeywords(of value: Value, to arguments: inout Arguments) throws(Failure) {
        guard case .dict(let dict) = value else { throw failure("argument after ** must be a mapping") }
        try charge(elements: dict.count)
        for entry in dict.entries {
            guard let key = entry.key.string else { throw failure("keywords must be strings") }
            arguments.keywords.append((key.text, entry.value))
        }
    }

    private func bound(_ expression: Expression?, _ scope: Scope) throws(Failure) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression, scope)
        if case .none = value { return nil }
        guard let bound = value.integer else { throw failure("slice indices must be integers or None") }
        return bound
    }
}
