import Jinja
import Storage
import Testing

/// Text that was given from outside keeps its number through whatever a template does with it.
@Suite struct ProvenanceTests {
    typealias Span = MarkedText.Span

    @Test func spansOfATemplateAndTwoGivers() throws {
        let text = try Template("<a>{{ x }}{{ y }}{{ x }}</a>").render([
            "x": typed("<a>"), "y": typed("y", 2),
        ])
        #expect(
            text.spans == [
                Span("<a>", origin: nil), Span("<a>", origin: 1), Span("y", origin: 2),
                Span("<a>", origin: 1),
                Span("</a>", origin: nil),
            ])
        #expect(MarkedText(spans: text.spans) == text)
    }

    /// Everything that is typed is Greek, and a template has no Greek letters of its own: so all Greek must be marked, and
    /// nothing else may be but for digits, quotes and escapes that stand for what was typed.
    @Test(arguments: [
        "{{ 'a' + x + 'b' }}", "{{ 'a' ~ x ~ 1 }}", "{{ x[1:3] }}{{ x[::-1] }}{{ x[0] }}{{ x[-1] }}",
        "{{ ('a' + x + 'b')[2:-2] }}", "{{ x.strip() }}{{ (' ' + x + ' ').strip() }}{{ x | trim }}",
        "{{ ('a' + x).lstrip('a') }}{{ (x + 'b').rstrip('b') }}",
        "{{ x.split('λ') | join('-') }}{{ ('a b' + x + ' c').split() | join }}",
        "{{ x.rsplit('λ', 1)[1] }}{{ ('a,' + x).split(',')[1] }}{{ x.partition('λ')[2] }}",
        "{{ x.replace('λ', 'l') }}{{ 'abc'.replace('b', x) }}{{ x | replace('α', 'a') }}",
        "{{ [x, 'a', x] | join(', ') }}{{ x.join(['a', 'b']) }}{{ '-'.join([x, x]) }}",
        "{{ x.upper() }}{{ x | lower }}{{ x | title }}{{ x.title() }}{{ x | capitalize }}{{ x.swapcase() }}",
        "{{ '%s and %5s' % (x, 'a') }}{{ '%s' | format(x) }}{{ '{} {0}'.format(x) if false else '' }}",
        "{{ '{} {:>9}'.format(x, x) }}{{ '{a}'.format(a=x) }}{{ '{a[b]}'.format(a={'b': x}) }}",
        "{{ x | tojson }}{{ [x, {'k': x, x: 1}] | tojson(indent=2) }}{{ d | tojson }}",
        "{{ x * 3 }}{{ 2 * x }}{{ [x] * 2 }}{{ [x] }}{{ {'a': x} }}{{ (x,) }}",
        "{% for c in x %}{{ c }}{{ loop.index }}{% endfor %}{{ x | list | join('.') }}{{ x | reverse }}",
        "{{ d.items() | list }}{% for k, v in d | items %}{{ k }}{{ v }}{% endfor %}{{ d }}",
        "{% set y %}a{{ x }}b{% endset %}{{ y }}{% set y | upper %}{{ x }}{% endset %}{{ y }}",
        "{% macro m(t) %}[{{ t }}{{ caller() if caller }}]{% endmacro %}{{ m(x) }}{% call m(x) %}{{ x }}{% endcall %}",
        "{% filter upper %}a{{ x }}{% endfilter %}{{ x | center(20) }}{{ x | truncate(7) }}{{ x | indent }}",
        "{{ x.splitlines() | join('|') }}{{ x | e }}{{ x | string }}{{ x | default('a') }}{{ x | first }}",
        "{{ [x, 'a'] | map('upper') | join }}{{ [x] | sort | join }}{{ [x, x] | unique | join }}",
        "{{ [x, 'b'] | max }}{{ [{'k': x}] | map(attribute='k') | join }}{{ x.removeprefix('α') }}",
        "{% set ns = namespace(t=x) %}{{ ns.t }}{{ ns }}{{ dict(a=x).a }}{{ x.ljust(20, '.') }}",
        "{{ x if x else 'a' }}{{ x or 'a' }}{{ 'a' and x }}{{ '%r' % x }}{{ '%-20s|' % x }}{{ x.zfill(12) }}",
    ])
    func markedIsWhatIsGreek(template: String) throws {
        let typedText = "αβ<λ>\"γ\nδ\\λε "
        let globals = ["x": typed(typedText), "d": Value(json: ["κλ": .string(typedText)], origin: 1)]
        let text = try Template(template.replacing("λ", with: "\\u03bb")).render(globals)
        #expect(text.spans.contains { $0.origin == 1 })
        func isGreek(_ scalar: Unicode.Scalar) -> Bool { (0x370...0x3FF).contains(scalar.value) }
        for span in text.spans where span.origin == nil {
            #expect(!span.text.unicodeScalars.contains(where: isGreek), "\(span.text)")
        }
        for span in text.spans where span.origin != nil {
            let foreign = span.text.unicodeScalars.filter { !isGreek($0) }
            #expect(foreign.allSatisfy { "<>\"\\n \n&#34;ltg".unicodeScalars.contains($0) }, "\(span.text)")
        }
    }

    @Test func comparisonsIgnoreMarks() throws {
        let globals = ["x": typed("role"), "d": Value(json: ["role": "r"], origin: 2)]
        let template =
            "{{ x == 'role' }}{{ 'ol' in x }}{{ d.role }}{{ d[x] }}{{ {'role': 1}[x] }}{{ x in ['role'] }}"
        #expect(try render(template, globals) == "TrueTruerr1True")
    }
}

private extension Value {
    init(json members: KeyValuePairs<String, JSON>, origin: Int) {
        self.init(json: .pairs(members), origin: origin)
    }
}
