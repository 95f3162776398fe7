import Storage

/// What changes while a template runs. Values hold its number, so that they stay values.
enum Object {
    case namespace(Namespace)
    case loop(LoopState)
    case generator(Generator)
    case cycler(Cycler)
    case joiner(Joiner)
    case macro(MacroClosure)

    /// What Python calls its type.
    var typeName: String {
        switch self {
        case .namespace: "TemplateNamespace"
        case .loop: "LoopContext"
        case .generator: "generator"
        case .cycler: "Cycler"
        case .joiner: "Joiner"
        case .macro: "Macro"
        }
    }
}

/// `namespace(…)`.
final class Namespace {
    var values: Dict

    init(_ values: Dict) { self.values = values }
}

/// `cycler(…)`.
final class Cycler {
    let values: [Value]
    var position = 0

    init(_ values: [Value]) { self.values = values }
}

/// `joiner(…)`.
final class Joiner {
    let separator: Value
    var wasUsed = false

    init(_ separator: Value) { self.separator = separator }
}

/// A macro and the variables around its definition.
final class MacroClosure {
    let macro: Macro
    let scope: Scope

    init(_ macro: Macro, _ scope: Scope) {
        self.macro = macro
        self.scope = scope
    }
}

/// What `loop` is within a loop.
final class LoopState {
    let depth: Int
    /// For `loop(…)` in a recursive loop.
    let recursion: (loop: Loop, scope: Scope)?
    var cursor: Cursor
    var index = -1
    var previous: Value?
    var current: Value?
    /// What was read ahead.
    var ahead: Value?
    var length: Int?
    var lastChanged: [Value]?

    init(_ cursor: Cursor, depth: Int, recursion: (loop: Loop, scope: Scope)?) {
        self.cursor = cursor
        self.depth = depth
        self.recursion = recursion
        if case .elements(let elements, _) = cursor { length = elements.count }
    }
}

/// A place in a row of values.
enum Cursor {
    case elements([Value], next: Int)
    case generator(Generator)
    /// What is thrown when the first value is asked for.
    case failed(Failure)
}

/// Values that are made one by one when they are asked for, and once only, as Python's generators do.
final class Generator {
    /// What becomes of each value of the source; nil drops it.
    typealias Step = (Interpreter, Value) throws(Failure) -> Value?

    var source: Cursor
    let step: Step?

    init(_ source: Cursor, step: Step? = nil) {
        self.source = source
        self.step = step
    }
}
