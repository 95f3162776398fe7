import Jinja
import Storage
import Testing

/// Errors say what is wrong, and in which line.
@Suite struct ErrorTests {
    @Test(arguments: [
        ("a\n{{ b c }}", "line 2", "expected the end of print statement, got 'c'"),
        ("{% if a %}\n\n{% endfor %}", "line 3", "Encountered unknown tag 'endfor'."),
        ("{% do a %}", "line 1", "Encountered unknown tag 'do'."),
        ("{% if a %}\n", "line 1", "the template ends where 'elif' or 'else' or 'endif' was expected"),
        ("\n{{ 'a }}", "line 2", "unexpected char '''"),
        ("\n\n{{ a | nothing }}", "line 3", "No filter named 'nothing'."),
        ("{{ a is nothing }}", "line 1", "No test named 'nothing'."),
        ("{% break %}", "line 1", "'break' outside of a loop"),
        ("{% set x %}\n{{ y.z }}{% endset %}", "line 2", "'y' is undefined"),
        ("{{ a\n + 1 }}", "line 1", "'a' is undefined"),
        ("{{ {'a': 1}.b.c }}", "line 1", "'dict object' has no attribute 'b'"),
        ("{{ 'a' + 1 }}", "line 1", "unsupported operand type(s) for +: 'str' and 'int'"),
        ("{{ 1 < 'a' }}", "line 1", "'<' not supported between instances of 'int' and 'str'"),
        ("{{ [1].append(2) }}", "line 1", "access to attribute 'append' of 'list' object is unsafe."),
        ("{% set x = 1 %}\n{% set x.y = 1 %}", "line 2", "cannot assign attribute on non-namespace object"),
        ("{% include 'a' %}", "line 1", "'include' needs another template, and there is none"),
        ("{{ 9223372036854775807 + 1 }}", "line 1", "an integer gets beyond 64 bits, which is not available"),
    ])
    func namesTheLine(template: String, place: String, message: String) {
        let failure = failure(template)
        #expect(failure?.kind == .badInput)
        #expect(failure?.place == place)
        #expect(failure?.message.hasPrefix(message) == true, "\(failure?.message ?? "none")")
    }

    @Test func exceptionsOfTheTemplateAreItsWords() {
        let failure = failure(
            "{% if true %}\n{{ raise_exception('No ' ~ x) }}{% endif %}", ["x": typed("pictures")])
        #expect(failure == .badInput("No pictures", at: "line 2"))
    }
}
