import Storage
import TestSupport
import Testing

/// What `tessera-run` tells a chat template beside the messages.
@Suite struct TemplateOptionTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func answer(_ options: String...) throws -> Outcome {
        try run(
            "tessera-run",
            arguments: [try SharedBundles.demo.get(), "-p", "Hello", "-n", "1", "--seed", "1"] + options)
    }

    /// The demo's template has none of these names; a name within another is none.
    @Test(arguments: [
        (["--thinking", "on"], "--thinking"), (["--reasoning-effort", "low"], "--reasoning-effort"),
        (["--chat-template-kwargs", #"{"preserve_thinking": true}"#], "'preserve_thinking'"),
        (["--chat-template-kwargs", #"{"mess": true}"#], "'mess'"),
        (["--chat-template-kwargs", #"{"enable_thinking": true}"#], "'enable_thinking'"),
    ])
    func whatATemplateDoesNotKnowIsSaid(options: [String], name: String) throws {
        let outcome = try run(
            "tessera-run",
            arguments: [try SharedBundles.demo.get(), "-p", "Hello", "-n", "1", "--seed", "1"] + options)
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("makes nothing of \(name)"), "\(outcome.errors)")
    }

    @Test(arguments: ["[1]", "{", "7", ""])
    func whatIsNoObjectIsRefused(text: String) throws {
        let outcome = try answer("--chat-template-kwargs", text)
        #expect(outcome.status == 2 && outcome.errors.contains("--chat-template-kwargs"), "\(outcome.errors)")
    }

    @Test func namesOfTheConversationAreTaken() throws {
        let outcome = try answer("--chat-template-kwargs", #"{"messages": []}"#)
        #expect(outcome.status == 2 && outcome.errors.contains("'messages'"), "\(outcome.errors)")
    }

    /// A conversation that goes on keeps what its template was told, and takes what it is told anew.
    @Test func aSavedConversationKeepsThem() throws {
        let bundle = directory.file("model.tessera")
        let template = directory.file("template.jinja")
        let jinja = """
            {{ effort }} {{ depth }} {% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}
            {%- for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% else %}
            {{- '<|vision_start|><|' + p.type + '_pad|><|vision_end|>' }}{% endif %}{% endfor %}{% endif %}<|im_end|>
            {%- endfor %}
            """
        try putFile(template, Array(jinja.utf8))
        let demo = Fixtures.path("demo-qwen2-vl")
        let made = try run("tessera-from-qwen2-vl", demo, "--chat-template", template, "-o", bundle)
        #expect(made.status == 0, "\(made.errors)")
        func ask(_ session: String, _ options: String...) throws -> Int {
            let outcome = try run(
                "tessera-run",
                arguments: [bundle, "--session", directory.file(session), "-p", "Hi", "-n", "1", "--json"]
                    + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try #require(JSON(parsing: Array(outcome.output.utf8))["prompt_tokens"]?.int)
        }
        let long = #"{"effort": "aaaa bbbb cccc dddd eeee ffff", "depth": 1}"#
        let first = try ask("kept", "--chat-template-kwargs", long)
        // What stands before all messages is in the cache: the second question alone is read.
        #expect(try ask("kept") < first)
        // With another value all of it is read again.
        #expect(try ask("kept", "--chat-template-kwargs", #"{"effort": "x"}"#) < first)
        #expect(try ask("fresh", "--chat-template-kwargs", #"{"effort": "x"}"#) < first)
    }
}
