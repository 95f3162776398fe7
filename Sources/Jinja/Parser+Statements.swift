import Storage

/// One function for each tag.
extension Parser {
    mutating func statement(closing ends: [String]) throws(Failure) -> Statement {
        let line = line
        guard case .name(let tag) = token.kind else { throw failure("tag name expected") }
        next()
        let kind: Statement.Kind =
            switch tag {
            case "if": try branches()
            case "for": try loop()
            case "set": try assignment()
            case "macro": try macro()
            case "call": try callBlock(line)
            case "filter": try filterBlock()
            case "with": try with()
            case "block": try block()
            case "print": .output(try printed())
            case "generation":
                .generation(
                    try separately { (parser) throws(Failure) in
                        try parser.wholeBody(until: "endgeneration")
                    })
            case "break", "continue": try jump(tag)
            case "extends", "include", "import", "from": try otherTemplate(tag)
            case "autoescape": throw failure("the tag 'autoescape' is not available", line: line)
            default:
                throw failure(
                    "Encountered unknown tag '\(tag)'."
                        + (ends.isEmpty
                            ? "" : " Jinja was looking for the following tags: \(Parser.list(ends))."),
                    line: line)
            }
        return Statement(kind: kind, line: line)
    }

    private mutating func branches() throws(Failure) -> Statement.Kind {
        var branches: [(test: Expression, body: [Statement])] = []
        let wasConditional = isConditional
        isConditional = true
        defer { isConditional = wasConditional }
        while true {
            let test = try tuple(withConditional: false)
            branches.append((test, try body(until: "elif", "else", "endif")))
            if skip(word: "elif") { continue }
            if skip(word: "else") { return .branches(branches, otherwise: try wholeBody(until: "endif")) }
            next()
            return .branches(branches, otherwise: [])
        }
    }

    private mutating func loop() throws(Failure) -> Statement.Kind {
        let target = try target(until: "in")
        try expect(word: "in")
        let iterable = try tuple(withConditional: false, until: "recursive")
        let wasConditional = isConditional
        isConditional = false
        defer { isConditional = wasConditional }
        let condition = skip(word: "if") ? try expression() : nil
        let isRecursive = skip(word: "recursive")
        openLoops += 1
        let (body, mentioned) = try noting { (parser) throws(Failure) in
            try parser.body(until: "endfor", "else")
        }
        openLoops -= 1
        var otherwise: [Statement] = []
        if skip(word: "else") { otherwise = try wholeBody(until: "endfor") } else { next() }
        return .loop(
            Loop(
                target: target, iterable: iterable, condition: condition, isRecursive: isRecursive,
                isObserved: isRecursive || mentioned.contains("loop"), body: body, otherwise: otherwise))
    }

    private func jump(_ tag: String) throws(Failure) -> Statement.Kind {
        guard openLoops > 0 else { throw failure("'\(tag)' outside of a loop") }
        return tag == "break" ? .break : .continue
    }

    private mutating func assignment() throws(Failure) -> Statement.Kind {
        let target = try target(withAttributes: true)
        if skip(.assign) { return .set(target, try tuple()) }
        let filters = try filters()
        return .setBlock(
            target, filters: filters,
            body: try unconditionally { (parser) throws(Failure) in try parser.wholeBody(until: "endset") })
    }

    private mutating func filterBlock() throws(Failure) -> Statement.Kind {
        let filters = try [filter()] + filters()
        return .filterBlock(
            filters,
            body: try unconditionally { (parser) throws(Failure) in try parser.wholeBody(until: "endfilter") }
        )
    }

    private mutating func with() throws(Failure) -> Statement.Kind {
        var bindings: [(target: Target, value: Expression)] = []
        while token.kind != .blockEnd {
            if !bindings.isEmpty { try expect(.comma) }
            let target = try target()
            try expect(.assign)
            bindings.append((target, try expression()))
        }
        return .with(
            bindings,
            body: try unconditionally { (parser) throws(Failure) in try parser.wholeBody(until: "endwith") })
    }

    private mutating func block() throws(Failure) -> Statement.Kind {
        let name = try expectName()
        let isScoped = skip(word: "scoped")
        _ = skip(word: "required")
        let body = try separately { (parser) throws(Failure) in try parser.wholeBody(until: "endblock") }
        _ = skip(word: name)
        return .block(isScoped: isScoped, body: body)
    }

    private mutating func printed() throws(Failure) -> Expression {
        var parts: [Expression] = []
        while token.kind != .blockEnd {
            if !parts.isEmpty { try expect(.comma) }
            parts.append(try expression())
        }
        return .concatenation(parts)
    }

    private mutating func otherTemplate(_ tag: String) throws(Failure) -> Statement.Kind {
        while token.kind != .blockEnd, token.kind != .end { next() }
        return .unavailable("'\(tag)' needs another template, and there is none")
    }

    // MARK: Macros

    private mutating func macro() throws(Failure) -> Statement.Kind {
        let name = try expectName()
        let number = number(of: name)
        return .macro(name: number, try macro(name: name, signature: signature(), end: "endmacro"))
    }

    private mutating func callBlock(_ line: Int) throws(Failure) -> Statement.Kind {
        let signature = at(.openParenthesis) ? try signature() : []
        let call = try expression()
        guard case .postfix(_, let steps) = call, case .call? = steps.last?.kind else {
            throw failure("expected call", line: line)
        }
        return .callBlock(call, try macro(name: "caller", signature: signature, end: "endcall"))
    }

    private mutating func macro(
        name: String, signature: [Macro.Parameter], end: String
    ) throws(Failure) -> Macro {
        let line = line
        let (body, mentioned) = try noting { (parser) throws(Failure) in
            try parser.separately { (parser) throws(Failure) in try parser.wholeBody(until: end) }
        }
        let own = Set(signature.map(\.text))
        if mentioned.contains("caller"),
            signature.contains(where: { $0.text == "caller" && $0.fallback == nil })
        {
            throw failure("the parameter 'caller' must have a default", line: line)
        }
        return Macro(
            name: name, parameters: signature, takesCaller: mentioned.contains("caller"),
            takesKeywords: mentioned.contains("kwargs") && !own.contains("kwargs"),
            takesFurther: mentioned.contains("varargs") && !own.contains("varargs"), body: body)
    }

    private mutating func signature() throws(Failure) -> [Macro.Parameter] {
        var parameters: [Macro.Parameter] = []
        try expect(.openParenthesis)
        while !at(.closeParenthesis) {
            if !parameters.isEmpty { try expect(.comma) }
            let name = try expectName()
            let fallback = skip(.assign) ? try expression() : nil
            if fallback == nil, parameters.last?.fallback != nil {
                throw failure("non-default argument follows default argument")
            }
            parameters.append(Macro.Parameter(name: number(of: name), text: name, fallback: fallback))
        }
        next()
        return parameters
    }

    /// The body of what becomes a function of its own: no loop around it can be left from within.
    private mutating func separately<T>(_ body: (inout Parser) throws(Failure) -> T) throws(Failure) -> T {
        let loops = openLoops
        openLoops = 0
        defer { openLoops = loops }
        return try unconditionally(body)
    }

    private mutating func unconditionally<T>(_ body: (inout Parser) throws(Failure) -> T) throws(Failure) -> T
    {
        let wasConditional = isConditional
        isConditional = false
        defer { isConditional = wasConditional }
        return try body(&self)
    }

    // MARK: Targets

    /// What a value is assigned to: a name, an attribute of a namespace where that is allowed, or a tuple of these.
    private mutating func target(until end: String? = nil, withAttributes: Bool = false) throws(Failure)
        -> Target
    {
        var parts: [Target] = []
        var isTuple = false
        while !endsTuple(end) || parts.isEmpty {
            parts.append(try deeper { (parser) throws(Failure) in try parser.simpleTarget(withAttributes) })
            guard skip(.comma) else { break }
            isTuple = true
        }
        return isTuple ? .tuple(parts) : parts[0]
    }

    private mutating func simpleTarget(_ withAttributes: Bool) throws(Failure) -> Target {
        if skip(.openParenthesis) {
            let inner = try target(withAttributes: false)
            try expect(.closeParenthesis)
            return inner
        }
        let line = line
        let name = try expectName()
        if ["true", "false", "True", "False", "none", "None"].contains(name) {
            throw failure("can't assign to 'const'", line: line)
        }
        if withAttributes, skip(.dot) { return .attribute(of: number(of: name), named: try expectName()) }
        if name == "loop", openLoops > 0 || !withAttributes {
            throw failure("can't assign to 'loop'", line: line)
        }
        return .name(number(of: name))
    }

    func endsTuple(_ end: String?) -> Bool {
        switch token.kind {
        case .variableEnd, .blockEnd, .symbol(.closeParenthesis): true
        case .name(let name): name == end
        default: false
        }
    }
}
