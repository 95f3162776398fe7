import Storage

/// Expressions, from the operators that bind least to values.
extension Parser {
    /// An expression, or several with commas between them.
    mutating func tuple(
        withConditional: Bool = true, until end: String? = nil, inParentheses: Bool = false
    ) throws(Failure) -> Expression {
        var parts: [Expression] = []
        var isTuple = false
        while !endsTuple(end) {
            parts.append(withConditional ? try expression() : try unconditionalExpression())
            guard skip(.comma) else { break }
            isTuple = true
        }
        if !isTuple, let only = parts.first { return only }
        guard isTuple || inParentheses else {
            throw failure("Expected an expression, got '\(token.description)'")
        }
        return .tuple(parts)
    }

    mutating func expression() throws(Failure) -> Expression {
        try deeper { (parser) throws(Failure) in try parser.conditional() }
    }

    mutating func unconditionalExpression() throws(Failure) -> Expression {
        try deeper { (parser) throws(Failure) in try parser.or() }
    }

    private mutating func conditional() throws(Failure) -> Expression {
        let unknownBefore = unknown
        let value = try or()
        guard at(word: "if") else { return value }
        unknown = unknownBefore
        let wasConditional = isConditional
        isConditional = true
        defer { isConditional = wasConditional }
        return try conditions(value)
    }

    private mutating func conditions(_ value: Expression) throws(Failure) -> Expression {
        guard skip(word: "if") else { return value }
        let test = try or()
        let otherwise = skip(word: "else") ? try expression() : nil
        // A further `if` asks about the whole.
        return try deeper { (parser) throws(Failure) in
            try parser.conditions(.conditional(test: test, then: value, otherwise: otherwise))
        }
    }

    private mutating func or() throws(Failure) -> Expression {
        let first = try and()
        guard at(word: "or") else { return first }
        var parts = [first]
        while skip(word: "or") { parts.append(try and()) }
        return .or(parts)
    }

    private mutating func and() throws(Failure) -> Expression {
        let first = try not()
        guard at(word: "and") else { return first }
        var parts = [first]
        while skip(word: "and") { parts.append(try not()) }
        return .and(parts)
    }

    private mutating func not() throws(Failure) -> Expression {
        guard skip(word: "not") else { return try comparison() }
        return .not(try deeper { (parser) throws(Failure) in try parser.not() })
    }

    private mutating func comparison() throws(Failure) -> Expression {
        let first = try sum()
        var rest: [(operation: Comparison, operand: Expression)] = []
        while let operation = comparisonOperator() { rest.append((operation, try sum())) }
        return rest.isEmpty ? first : .comparison(first, rest)
    }

    private mutating func comparisonOperator() -> Comparison? {
        switch token.kind {
        case .symbol(let symbol):
            guard let operation = Comparison(rawValue: symbol.rawValue) else { return nil }
            next()
            return operation
        case .name("in"):
            next()
            return .isIn
        case .name("not"):
            guard following.kind == .name("in") else { return nil }
            next()
            next()
            return .isNotIn
        default: return nil
        }
    }

    private mutating func sum() throws(Failure) -> Expression {
        let first = try concatenation()
        var rest: [(operation: Arithmetic, operand: Expression)] = []
        while let operation = arithmetic([.add, .subtract]) { rest.append((operation, try concatenation())) }
        return rest.isEmpty ? first : .arithmetic(first, rest)
    }

    private mutating func concatenation() throws(Failure) -> Expression {
        let first = try product()
        guard at(.tilde) else { return first }
        var parts = [first]
        while skip(.tilde) { parts.append(try product()) }
        return .concatenation(parts)
    }

    private mutating func product() throws(Failure) -> Expression {
        let first = try power()
        var rest: [(operation: Arithmetic, operand: Expression)] = []
        while let operation = arithmetic([.multiply, .divide, .floorDivide, .remainder]) {
            rest.append((operation, try power()))
        }
        return rest.isEmpty ? first : .arithmetic(first, rest)
    }

    /// Unlike Python's, powers of powers are taken from the left.
    private mutating func power() throws(Failure) -> Expression {
        let first = try unary()
        var rest: [(operation: Arithmetic, operand: Expression)] = []
        while let operation = arithmetic([.power]) { rest.append((operation, try unary())) }
        return rest.isEmpty ? first : .arithmetic(first, rest)
    }

    private mutating func arithmetic(_ wanted: [Arithmetic]) -> Arithmetic? {
        guard case .symbol(let symbol) = token.kind, let operation = Arithmetic(rawValue: symbol.rawValue),
            wanted.contains(operation)
        else { return nil }
        next()
        return operation
    }

    private mutating func unary() throws(Failure) -> Expression { try filtered(signed()) }

    private mutating func signed() throws(Failure) -> Expression {
        let value: Expression
        if skip(.minus) {
            value = .negative(try deeper { (parser) throws(Failure) in try parser.signed() })
        } else if skip(.plus) {
            value = .positive(try deeper { (parser) throws(Failure) in try parser.signed() })
        } else {
            value = try primary()
        }
        return try accessed(value)
    }

    // MARK: Values

    /// What a test is given without parentheses: a value, and no operators.
    mutating func argumentOfTest() throws(Failure) -> Expression { try accessed(primary()) }

    private mutating func primary() throws(Failure) -> Expression {
        let token = token
        switch token.kind {
        case .name(let name):
            next()
            switch name {
            case "true", "True": return .constant(.bool(true))
            case "false", "False": return .constant(.bool(false))
            case "none", "None": return .constant(.none)
            default: return .name(number(of: name))
            }
        case .string: return .constant(.text(strings()))
        case .integer(let value):
            next()
            return .constant(.int(value))
        case .float(let value):
            next()
            return .constant(.double(value))
        case .symbol(.openParenthesis):
            next()
            let inner = try deeper { (parser) throws(Failure) in try parser.tuple(inParentheses: true) }
            try expect(.closeParenthesis)
            return inner
        case .symbol(.openBracket): return try list()
        case .symbol(.openBrace): return try dict()
        default: throw failure("unexpected '\(token.description)'")
        }
    }

    /// Strings that stand side by side are one.
    private mutating func strings() -> String {
        var text = ""
        while case .string(let part) = token.kind {
            text += part
            next()
        }
        return text
    }

    private mutating func list() throws(Failure) -> Expression {
        next()
        var elements: [Expression] = []
        while !at(.closeBracket) {
            if !elements.isEmpty { try expect(.comma) }
            if at(.closeBracket) { break }
            elements.append(try expression())
        }
        next()
        return .list(elements)
    }

    private mutating func dict() throws(Failure) -> Expression {
        next()
        var entries: [(key: Expression, value: Expression)] = []
        while !at(.closeBrace) {
            if !entries.isEmpty { try expect(.comma) }
            if at(.closeBrace) { break }
            let key = try expression()
            try expect(.colon)
            entries.append((key, try expression()))
        }
        next()
        return .dict(entries)
    }
}
