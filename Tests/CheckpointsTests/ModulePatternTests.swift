import Storage
import Testing

@testable import Checkpoints

/// Expressions of modules' names, as Python's `re.match(r"(.*\.)?(pattern)$", name)` has them.
@Suite struct ModulePatternTests {
    private func matches(_ pattern: String, _ name: String) throws(Failure) -> Bool {
        var budget = 100_000
        return try ModulePattern(pattern).matches(Array(name.utf8), &budget)
    }

    @Test(arguments: [
        (
            "q_proj", ["q_proj", "a.q_proj", "model.layers.0.q_proj"],
            ["qq_proj", "q_proj.x", "a.q_projs", ""]
        ),
        ("layers.0.q", ["layers.0.q", "layersx0yq", "m.layers.0.q"], ["layers.10.q", "mlayers.0.q"]),
        (#"layers\.0\.q"#, ["layers.0.q"], ["layersx0.q"]),
        ("^m.q", ["m.q", "mxq"], ["a.m.q"]), ("q$", ["q", "a.q"], ["aq"]),
        ("^q|k", ["q", "k", "a.k"], ["a.q"]),
        ("(q|k|)_p", ["q_p", "a.k_p", "_p"], ["v_p", "qk_p"]),
        ("(?:a|b.c)+", ["a", "abxc", "x.ab.c"], ["c", "ac"]),
        ("[a-c_]x[^0-9]", ["axy", "_xz", "m.cx-"], ["dxy", "ax0", "ax"]),
        (#"[\d\-]+"#, ["12", "1-2"], ["a", "1a"]),
        ("[]a]", ["]", "a"], ["[", "b"]), ("[a-]", ["a", "-"], ["b"]),
        (#"\w+\d\D\W"#, ["ab1c.", "x.a2b-"], ["ab1cd", "1a."]), ("a{2}", ["aa"], ["a", "aaa"]),
        ("a{1,3}?b", ["ab", "aaab"], ["b", "aaaab"]), ("a{2,}", ["aa", "aaaaa"], ["a"]),
        ("a{,2}b", ["b", "aab"], ["aaab"]),
        (".*", ["", "anything.at.all"], []), ("a?b*?c+", ["c", "abbc", "acc"], ["ab", "aac"]),
        ("(a*)*b", ["b", "aab"], ["a"]),
        ("()*q", ["q"], [""]), ("(^a|b)$", ["a", "b", "x.b"], ["x.a"]), ("", ["", "a."], ["a"]),
    ])
    func isAsInPython(pattern: String, yes: [String], no: [String]) throws {
        for name in yes { #expect(try matches(pattern, name), "\(pattern) should match '\(name)'") }
        for name in no { #expect(try !matches(pattern, name), "\(pattern) should not match '\(name)'") }
    }

    @Test(arguments: [
        "(", ")", "a)(b", "[", "[a", "[b-a]", "*a", "a**", "a++", "a{", "a{3", "a{3,2}", "a{1000}", "a{}",
        "{2}", "+", #"\"#,
        #"\b"#, #"\1"#, #"\Z"#, "(?=a)", "(?i)a", "(?P<n>a)", "é", String(repeating: "a", count: 513),
    ])
    func othersAreRefused(pattern: String) throws {
        #expect(throws: Failure.self) { try ModulePattern(pattern) }
    }

    /// Expressions that backtracking takes for ever to fail are answered or given up, at once.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*)*b", "((a+)+)+b", ".*.*.*.*.*.*.*.*b",
            "(((a{99}){99}){99}){99}",
            "((.*)*.*)*b", "(()*)*b",
        ])
    func nothingTakesLong(pattern: String) throws {
        let name = String(repeating: "a", count: 100) + "."
        do {
            let isMatch = try matches(pattern + "[^b]", name)
            #expect(!isMatch)
        } catch {
            #expect(error.message.contains("too long to match"), "\(error)")
        }
    }
}
