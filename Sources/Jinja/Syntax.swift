/// An expression as it was parsed. What Python nests to the left is flat here, so that long chains are not deep.
indirect enum Expression: Sendable {
    case constant(Value)
    case name(Int)
    case list([Expression])
    case tuple([Expression])
    case dict([(key: Expression, value: Expression)])
    case postfix(Expression, [Postfix])
    case negative(Expression)
    case positive(Expression)
    case not(Expression)
    case arithmetic(Expression, [(operation: Arithmetic, operand: Expression)])
    case concatenation([Expression])
    case comparison(Expression, [(operation: Comparison, operand: Expression)])
    case and([Expression])
    case or([Expression])
    case conditional(test: Expression, then: Expression, otherwise: Expression?)
}

enum Arithmetic: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum Comparison: String, Sendable {
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// What may follow a value.
struct Postfix: Sendable {
    enum Kind: Sendable {
        case attribute(AttributeName)
        case item(Expression)
        case slice(start: Expression?, end: Expression?, step: Expression?)
        case call(CallArguments)
        case filter(String, CallArguments)
        case test(String, CallArguments, isNegated: Bool)
    }

    let kind: Kind
    let line: Int
}

/// A name behind a dot.
struct AttributeName: Sendable {
    let text: String
    let key: DictKey
    let isMethodOfDict: Bool

    init(_ text: String) {
        self.text = text
        key = .string(key: text)
        isMethodOfDict = DictMethods.names.contains(text)
    }
}

/// The arguments of a call as they are written.
struct CallArguments: Sendable {
    var positional: [Expression] = []
    var keywords: [(name: String, value: Expression)] = []
    var furtherPositional: Expression?
    var furtherKeywords: Expression?
}

/// What a value is assigned to.
indirect enum Target: Sendable {
    case name(Int)
    case attribute(of: Int, named: String)
    case tuple([Target])
}

/// A statement and the line it begins in.
struct Statement: Sendable {
    enum Kind: Sendable {
        case text(MarkedText)
        case output(Expression)
        case branches([(test: Expression, body: [Statement])], otherwise: [Statement])
        case loop(Loop)
        case set(Target, Expression)
        case setBlock(Target, filters: [Postfix], body: [Statement])
        case macro(name: Int, Macro)
        case callBlock(Expression, Macro)
        case filterBlock([Postfix], body: [Statement])
        case with([(target: Target, value: Expression)], body: [Statement])
        case block(isScoped: Bool, body: [Statement])
        case generation([Statement])
        case `break`
        case `continue`
        /// What needs other templates: an error, where it is reached.
        case unavailable(String)
    }

    let kind: Kind
    let line: Int
}

/// `{% for %}`.
struct Loop: Sendable {
    let target: Target
    let iterable: Expression
    let condition: Expression?
    let isRecursive: Bool
    /// Whether the body asks `loop` for anything.
    let isObserved: Bool
    let body: [Statement]
    let otherwise: [Statement]
}

/// `{% macro %}`, or the body of a `{% call %}`.
struct Macro: Sendable {
    struct Parameter: Sendable {
        let name: Int
        let text: String
        let fallback: Expression?
    }

    let name: String
    let parameters: [Parameter]
    let takesCaller: Bool
    let takesKeywords: Bool
    let takesFurther: Bool
    let body: [Statement]
}
