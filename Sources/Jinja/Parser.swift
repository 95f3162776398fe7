import Storage

/// Makes statements of tokens, by the grammar of Jinja 3.1.
struct Parser {
    private let tokens: [Token]
    private var position = 0
    private let depthLimit: Int
    private var depth = 0
    /// The names that the template mentions; each has a number.
    private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]
    /// Which names with a meaning of their own were mentioned since somebody looked.
    var mentioned: Set<String> = []
    /// How many loops of the same function are open: `break` needs one.
    var openLoops = 0
    /// Whether an unknown filter is an error only where it is reached.
    var isConditional = false
    /// What is to be said of an unknown filter or test, unless an `if` behind it makes it conditional.
    var unknown: Failure?

    static let specialNames: Set<String> = ["loop", "caller", "kwargs", "varargs"]

    /// A whole template.
    static func parse(
        _ source: String, limits: Limits
    ) throws(Failure) -> (statements: [Statement], names: [String]) {
        guard source.utf8.count <= limits.sourceBytes else {
            throw Failure(
                .limit,
                "a template of \(source.utf8.count) bytes is longer than the \(limits.sourceBytes) allowed")
        }
        var parser = Parser(tokens: try Lexer.tokens(of: source), depthLimit: limits.depth)
        let statements = try parser.statements(until: [])
        return (statements, parser.names)
    }

    private init(tokens: [Token], depthLimit: Int) {
        self.tokens = tokens
        self.depthLimit = depthLimit
    }

    // MARK: Tokens

    var token: Token { tokens[position] }
    var line: Int { token.line }

    /// The token behind the current one.
    var following: Token { tokens[min(position + 1, tokens.count - 1)] }

    @discardableResult
    mutating func next() -> Token {
        defer { position = min(position + 1, tokens.count - 1) }
        return token
    }

    func at(_ symbol: Symbol) -> Bool { token.kind == .symbol(symbol) }
    func at(word: String) -> Bool { token.kind == .name(word) }

    mutating func skip(_ symbol: Symbol) -> Bool {
        guard at(symbol) else { return false }
        next()
        return true
    }

    mutating func skip(word: String) -> Bool {
        guard at(word: word) else { return false }
        next()
        return true
    }

    mutating func expect(_ symbol: Symbol) throws(Failure) {
        guard skip(symbol) else { throw unexpected("'\(symbol.rawValue)'") }
    }

    mutating func expect(word: String) throws(Failure) {
        guard skip(word: word) else { throw unexpected("'\(word)'") }
    }

    mutating func expectEnd(of kind: Token.Kind) throws(Failure) {
        guard token.kind == kind else { throw unexpected("the \(Token(kind: kind, line: 0).description)") }
        next()
    }

    mutating func expectName() throws(Failure) -> String {
        guard case .name(let name) = token.kind else { throw unexpected("a name") }
        next()
        return name
    }

    func unexpected(_ wanted: String) -> Failure { failure("expected \(wanted), got '\(token.description)'") }

    func failure(_ message: String, line: Int? = nil) -> Failure {
        .badInput(message, at: "line \(line ?? self.line)")
    }

    /// Goes one level deeper.
    mutating func deeper<T>(
        _ body: (inout Parser) throws(Failure) -> T
    ) throws(Failure) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= depthLimit else {
            throw Failure(.limit, "is nested more than \(depthLimit) levels deep", at: "line \(line)")
        }
        return try body(&self)
    }

    // MARK: Names

    mutating func number(of name: String) -> Int {
        if Parser.specialNames.contains(name) { mentioned.insert(name) }
        if let number = numbers[name] { return number }
        numbers[name] = names.count
        names.append(name)
        return names.count - 1
    }

    /// Parses something and says which names with a meaning of their own it mentions.
    mutating func noting<T>(
        _ body: (inout Parser) throws(Failure) -> T
    ) throws(Failure) -> (T, mentioned: Set<String>) {
        let before = mentioned
        mentioned = []
        let result = try body(&self)
        defer { mentioned.formUnion(before) }
        return (result, mentioned)
    }

    // MARK: Text and tags

    /// Statements up to a tag of one of these names, whose name is the current token then; up to the end without.
    mutating func statements(until ends: [String]) throws(Failure) -> [Statement] {
        var statements: [Statement] = []
        while true {
            let line = line
            switch token.kind {
            case .data(let text):
                next()
                statements.append(Statement(kind: .text(text), line: line))
            case .variableBegin:
                next()
                statements.append(Statement(kind: .output(try tuple()), line: line))
                try expectEnd(of: .variableEnd)
                if let unknown { throw unknown }
            case .blockBegin:
                next()
                if case .name(let name) = token.kind, ends.contains(name) { return statements }
                statements.append(
                    try deeper { (parser) throws(Failure) in try parser.statement(closing: ends) })
                try expectEnd(of: .blockEnd)
                if let unknown { throw unknown }
            default:
                if ends.isEmpty { return statements }
                throw failure("the template ends where \(Parser.list(ends)) was expected")
            }
        }
    }

    /// What stands between a tag and its end; the current token is the name of the tag behind it.
    mutating func body(until ends: String...) throws(Failure) -> [Statement] {
        _ = skip(.colon)
        try expectEnd(of: .blockEnd)
        return try statements(until: ends)
    }

    /// The same where only one tag can end it, whose name is taken too.
    mutating func wholeBody(until end: String) throws(Failure) -> [Statement] {
        let statements = try body(until: end)
        next()
        return statements
    }

    static func list(_ names: [String]) -> String { names.map { "'\($0)'" }.joined(separator: " or ") }
}
