import Jinja
import Storage
import TestSupport

extension FuzzTarget {
    /// The text of a chat template, run on a conversation. It ends within its limits, and what was typed stays marked.
    static let jinja = FuzzTarget(
        name: "jinja", maximumLength: 4096,
        words: [
            "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{{-", "-}}", "{% for x in messages %}",
            "{% endfor %}",
            "{% if x %}", "{% elif x %}", "{% else %}", "{% endif %}", "{% set x = ", "{% set x %}",
            "{% endset %}",
            "{% macro m(a, b=1) %}", "{% endmacro %}", "{% call m() %}", "{% endcall %}", "{% filter trim %}",
            "{% endfilter %}", "{% with x = 1 %}", "{% endwith %}", "{% raw %}", "{% endraw %}",
            "{% break %}",
            "{% continue %}", "{% generation %}", "{% endgeneration %}", "recursive", "loop(x)", "loop.index",
            "loop.last",
            "loop.length", "loop.previtem", "loop.nextitem", "loop.cycle(", "loop.changed(", "namespace(",
            "caller()",
            "varargs", "kwargs", "range(", "dict(", "cycler(", "joiner(", "messages", "tools", "content",
            "role", "text",
            " is defined", " is string", " is mapping", " is not none", " in ", " not in ", " and ", " or ",
            " if ",
            "[::-1]", "[1:]", "[-1]", "**", "//", "~", "%", "|tojson", "|tojson(indent=2)", "|trim",
            "|join(',')",
            "|map(attribute='role')", "|selectattr('role','equalto','user')", "|list", "|length", "|default(",
            "|upper",
            "|title", "|replace(", "|sort", "|dictsort", "|groupby('role')", "|batch(2)", "|slice(2)",
            "|unique", "|round(",
            "|int", "|float", "|indent", "|truncate(", "|format(", "|items", "|first", "|last", "|sum",
            "|max", "|reverse",
            ".items()", ".get(", ".split(", ".rsplit(", ".strip(", ".lstrip(", ".startswith(", ".replace(",
            ".splitlines()",
            ".format(", ".join(", ".partition(", ".zfill(", ".center(", ".find(", ".count(", "'%5.2f' % ",
            "'{:>5}'",
            "9223372036854775807", "1e308", "\\u03b1",
        ],
        seeds: {
            try seeds.map { Array(try Fixtures.chatTemplate($0).utf8) }
        },
        read: { bytes in
            guard let source = String(validating: bytes, as: UTF8.self) else {
                throw Failure.badInput("no UTF-8")
            }
            let text = try Template(source, limits: limits).render(globals)
            require(MarkedText(spans: text.spans) == text, "the text is not the row of its spans")
            require(text.spans.map(\.text).joined() == text.text, "the spans do not make up the text")
            require(text.text.utf8.count <= limits.outputBytes, "more is written than is allowed")
            let isSpoken = source.unicodeScalars.contains { isTyped($0) || $0 == "\\" }
            // What only the person can have typed is marked, unless the template can write it itself.
            for span in text.spans where span.origin == nil && !isSpoken {
                require(
                    !span.text.unicodeScalars.contains(where: isTyped),
                    "typed text lost its mark: \(span.text)")
            }
        })

    /// Those that take the conversation below.
    private static let seeds = [
        "chatml", "chatml-default-system", "deepseek", "hermes-tools", "merged-turns", "phi", "qwen2-vl",
        "qwen3-vl-instruct", "thinking-switch",
    ]

    private static let limits = Limits(
        sourceBytes: 4096, steps: 20_000, depth: 100, outputBytes: 1 << 16, memory: 1 << 20)

    /// Everything that is typed is Georgian.
    private static func isTyped(_ scalar: Unicode.Scalar) -> Bool { (0x10D0...0x10FF).contains(scalar.value) }

    private static let globals: [String: Value] = [
        "messages": Value(
            json: [
                .pairs(["role": "system", "content": "აბგ"]),
                .pairs([
                    "role": "user",
                    "content": [
                        .pairs(["type": "text", "text": "ა \"ბ\"\n<|გ|> დ"]), .pairs(["type": "image"]),
                        .pairs(["type": "video"]),
                    ],
                ]),
                .pairs([
                    "role": "assistant", "content": "<think>ეე</think>ვ", "reasoning_content": "ზ",
                    "tool_calls": [
                        .pairs([
                            "type": "function",
                            "function": .pairs([
                                "name": "თი", "arguments": .pairs(["კ": 1.5, "ლ": [.null, true]]),
                            ]),
                        ])
                    ],
                ]),
                .pairs(["role": "tool", "content": "მნ ო"]), .pairs(["role": "user", "content": "პ"]),
            ], origin: 1),
        "tools": Value(
            json: [
                .pairs([
                    "type": "function",
                    "function": .pairs([
                        "name": "თი", "description": "რ",
                        "parameters": .pairs([
                            "type": "object", "properties": .pairs(["კ": .pairs(["type": "number"])]),
                            "required": ["კ"],
                        ]),
                    ]),
                ])
            ], origin: 2),
        "documents": .none, "add_generation_prompt": .bool(true),
        "bos_token": Value(json: "<s>", origin: nil),
    ]
}
