internal import Storage

/// A pattern of `alpha_pattern`: an expression that the whole name of a module matches, or what follows one of its dots.
///
/// As PEFT matches it, `(.*\.)?(pattern)$`. Expressions that could take long to match are refused.
struct ModulePattern {
    private let expression: Regex<AnyRegexOutput>
    /// Whether it must match the whole name.
    private let isAnchored: Bool

    init(_ text: String) throws(Failure) {
        guard text.utf8.count <= 512, !Self.canBeSlow(text) else {
            throw .badInput(
                "the expression '\(text.prefix(64))' is too involved", remedy: "merge the adapter with peft")
        }
        isAnchored = text.hasPrefix("^")
        do { expression = try Regex(isAnchored ? String(text.dropFirst()) : text) } catch {
            throw .badInput("'\(text)' is no regular expression that is understood")
        }
    }

    func matches(_ module: String) -> Bool {
        var rest = module[...]
        while true {
            if (try? expression.wholeMatch(in: rest)) != nil { return true }
            guard !isAnchored, let dot = rest.firstIndex(of: ".") else { return false }
            rest = rest[rest.index(after: dot)...]
        }
    }

    /// Whether something is repeated that is itself a group, or much is: such expressions can take exponential time.
    private static func canBeSlow(_ text: String) -> Bool {
        var (repetitions, previous, isEscaped) = (0, Character(" "), false)
        for character in text {
            if !isEscaped, "*+{?".contains(character) {
                if previous == ")" { return true }
                repetitions += 1
            }
            isEscaped = !isEscaped && character == "\\"
            previous = character
        }
        return repetitions > 3
    }
}
