import Jinja
import Storage
import Testing

/// A checkpoint's template is somebody else's program: whatever it does, it ends soon, with an error.
@Suite struct HostileTemplateTests {
    private static let endless = [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
        "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = {'a': ns.l} %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}"
            + "{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
        "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}"
            + "{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l < ns.m }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}"
            + "{{ ns.l | tojson }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = ns.l | map('upper') %}{% endfor %}"
            + "{{ ns.l | list }}",
        "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}",
        "{{ 'a' * 99999999999 }}", "{{ [1] * 99999999999 }}", "{{ 'abc' * 9223372036854775807 }}",
        "{{ [1, 2] * 9223372036854775807 }}", "{{ 'a' | center(99999999999) }}",
        "{{ 'a'.ljust(99999999999) }}",
        "{{ '%99999999999d' % 1 }}", "{{ '{:99999999999}'.format(1) }}", "{{ '%.99999999999f' % 1 }}",
        "{{ 'a'.zfill(9223372036854775807) }}", "{{ 'a\tb'.expandtabs(9223372036854775807) }}",
        "{{ 'a' | indent(99999999999) }}", "{{ [1] | tojson(indent=99999999999) }}",
        "{{ [1] | batch(99999999999, 0) | list }}", "{{ [1] | slice(99999999999) | list }}",
        "{{ range(100001) }}", "{{ range(9223372036854775807) }}",
        "{% set s = 'a' * 999999 %}{% for i in range(99999) %}{{ s[i] }}{{ s[-1] }}{{ s | length }}{% endfor %}",
        "{% set s = 'a' * 999999 %}{% for i in range(99999) %}{% if 'b' in s %}{% endif %}{% endfor %}",
        "{% set l = range(9999) | list %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}",
        "{% set l = range(99999) | list %}{% for i in l %}{% if l == l[:] %}{% endif %}{% endfor %}",
        "{% set l = range(99999) | list %}{% for i in l %}{% set x = l | sort %}{% endfor %}",
        "{% set s = 'aX' * 99999 %}{% for i in range(99999) %}{% set x = s.lower() | title | tojson %}{% endfor %}",
        "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 2 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}", "{{ 2 ** 63 }}",
        "{{ 10 ** 10 ** 10 }}", "{{ (-9223372036854775807 - 1) | abs }}", "{{ 1e300 | int }}",
        "{{ ('9' * 99) | int }}",
        "{{ 99999999999999999999 }}", "{{ '%d' % 1e300 }}",
    ]

    @Test(arguments: endless)
    func endsWithAnError(template: String) {
        let clock = ContinuousClock()
        let start = clock.now
        // Debug code takes its time: these limits are a part of the standard ones.
        var limits = Limits.standard
        (limits.steps, limits.memory) = (limits.steps / 40, limits.memory / 16)
        #expect(failure(template, limits: limits) != nil)
        #expect(clock.now - start < .seconds(60))
    }

    @Test(arguments: [
        "(", "[", "{1:", "-", "not ", "a.b(", "a if b else ", "a[", "a|f(", "1 is in ", "'a' if ",
    ])
    func deepExpressionsAreRefused(piece: String) {
        #expect(failure("{{ " + String(repeating: piece, count: 20_000) + "1 }}") != nil)
        #expect(failure("{{ " + String(repeating: piece, count: 300)) != nil)
    }

    @Test(arguments: [
        "{% if a %}", "{% for a in b %}", "{% macro a() %}", "{% set a %}", "{% call a() %}",
        "{% filter e %}",
    ])
    func deepBlocksAreRefused(piece: String) {
        #expect(failure(String(repeating: piece, count: 20_000))?.kind == .limit)
    }

    /// What is long but not deep is no trouble, and as deep as is allowed the stack holds.
    @Test func longChainsAreFlat() throws {
        let count = 5_000
        #expect(try render("{{ " + String(repeating: "1 + ", count: count) + "1 }}") == "\(count + 1)")
        #expect(
            try render("{{ x" + String(repeating: "|trim", count: count) + " }}", ["x": typed("a")]) == "a")
        #expect(try render("{{ 1" + String(repeating: " and 1", count: count) + " }}") == "1")
        #expect(try render("{{ 1" + String(repeating: " < 2 > 1", count: count) + " }}") == "True")
        #expect(
            try render("{{ 'a'" + String(repeating: " ~ 'a'", count: count) + " }}").utf8.count == count + 1)
        let deep = Limits.standard.depth - 10
        let parentheses = String(repeating: "[", count: deep) + String(repeating: "]", count: deep)
        #expect(try render("{{ \(parentheses) }}") == parentheses)
    }

    @Test func recursionAsDeepAsJSONMayBeIsNoTrouble() throws {
        var value: JSON = 1
        for _ in 0..<60 { value = .pairs(["a": .array([value])]) }
        let template = """
            {% macro show(v) %}{% if v is mapping %}{% for k, x in v.items() %}({{ show(x[0]) }}){% endfor %}\
            {% else %}{{ v }}{% endif %}{% endmacro %}{{ show(v) }}
            """
        let expected = String(repeating: "(", count: 60) + "1" + String(repeating: ")", count: 60)
        #expect(try render(template, ["v": Value(json: value, origin: nil)]) == expected)
    }

    @Test func aSourceMayNotBeLong() {
        #expect(failure(String(repeating: "a", count: Limits.standard.sourceBytes + 1))?.kind == .limit)
        #expect(failure("{{ x }}{{ x }}", ["x": typed("aaaaa")], limits: small)?.kind == .limit)
    }

    private var small: Limits {
        Limits(sourceBytes: 100, steps: 100, depth: 20, outputBytes: 8, memory: 1000)
    }
}
