internal import Storage

/// Reads the regular expressions that names of modules are described by: literals, classes, groups, choices and repetitions,
/// as Python understands them. What looks around, or back, is refused.
struct ModulePatternParser {
    private let text: String
    private var rest: ArraySlice<UInt8>

    static func parse(_ text: String) throws(Failure) -> ModulePattern.Node {
        var parser = ModulePatternParser(text: text, rest: Array(text.utf8)[...])
        let node = try parser.choice()
        guard parser.rest.isEmpty, text.utf8.allSatisfy({ $0 < 128 }) else { throw parser.failure }
        return node
    }

    private var failure: Failure {
        .badInput(
            "'\(text)' is no regular expression that is understood", remedy: Adapter.mergeWithPeft)
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: scalar) else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func next() throws(Failure) -> UInt8 {
        guard let byte = rest.popFirst() else { throw failure }
        return byte
    }

    private mutating func choice() throws(Failure) -> ModulePattern.Node {
        var options = [try sequence()]
        while take("|") { options.append(try sequence()) }
        return options.count == 1 ? options[0] : .choice(options)
    }

    private mutating func sequence() throws(Failure) -> ModulePattern.Node {
        var nodes: [ModulePattern.Node] = []
        while let byte = rest.first, !Array("|)".utf8).contains(byte) { nodes.append(try repeated(atom())) }
        return .sequence(nodes)
    }

    private mutating func atom() throws(Failure) -> ModulePattern.Node {
        let byte = try next()
        switch Unicode.Scalar(byte) {
        case "(":
            if take("?"), !take(":") { throw failure }
            let node = try choice()
            guard take(")") else { throw failure }
            return node
        case "[": return .byte(try someBytes())
        case ".": return .byte(Self.all)
        case "^": return .start
        case "$": return .end
        case "\\": return .byte(try escaped())
        case "*", "+", "?", "{": throw failure
        default: return .byte([byte])
        }
    }

    /// A node with what says how often, if anything does. Whether as often as possible, or as seldom, makes no difference here.
    private mutating func repeated(_ node: ModulePattern.Node) throws(Failure) -> ModulePattern.Node {
        let counts: Range<Int>
        if take("*") {
            counts = 0..<Int.max
        } else if take("+") {
            counts = 1..<Int.max
        } else if take("?") {
            counts = 0..<2
        } else if take("{") {
            counts = try braces()
        } else {
            return node
        }
        _ = take("?")
        guard rest.first.map({ !Array("*+?{".utf8).contains($0) }) ?? true else { throw failure }
        return .repeated(node, counts)
    }

    /// `3}`, `3,}`, `,3}` or `3,5}`.
    private mutating func braces() throws(Failure) -> Range<Int> {
        let least = number()
        let most = take(",") ? number() ?? Int.max - 1 : least
        guard take("}"), let most, (least ?? 0) <= most else { throw failure }
        return (least ?? 0)..<most + 1
    }

    /// A number of up to three digits.
    private mutating func number() -> Int? {
        let digits = rest.prefix(3).prefix { Self.digits.contains($0) }
        rest.removeFirst(digits.count)
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// What stands between brackets.
    private mutating func someBytes() throws(Failure) -> Set<UInt8> {
        let isInverted = take("^")
        var bytes: Set<UInt8> = []
        repeat {
            let first = try next()
            if first == UInt8(ascii: "\\") {
                bytes.formUnion(try escaped())
            } else if rest.starts(with: Array("-".utf8)), rest.dropFirst().first != UInt8(ascii: "]") {
                rest.removeFirst()
                let last = try next()
                guard first <= last, last != UInt8(ascii: "\\") else { throw failure }
                bytes.formUnion(first...last)
            } else {
                bytes.insert(first)
            }
        } while !take("]")
        return isInverted ? Self.all.subtracting(bytes) : bytes
    }

    /// What stands for what follows a backslash.
    private mutating func escaped() throws(Failure) -> Set<UInt8> {
        let byte = try next()
        switch Unicode.Scalar(byte) {
        case "d": return Self.digits
        case "D": return Self.all.subtracting(Self.digits)
        case "w": return Self.words
        case "W": return Self.all.subtracting(Self.words)
        default:
            guard !Self.words.contains(byte) || byte == UInt8(ascii: "_") else { throw failure }
            return [byte]
        }
    }

    private static let all = Set(UInt8.min...UInt8.max)
    private static let digits = Set("0123456789".utf8)
    private static let words = Set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_".utf8)
}
