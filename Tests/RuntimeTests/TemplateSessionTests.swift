import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// Sessions whose turns are written by a checkpoint's own chat template.
@Suite struct TemplateSessionTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The demo with another template.
    private func model(_ jinja: String) throws -> Model {
        let path = directory.file("model.tessera")
        let template = try ChatTemplate(jinja, .given(name: "test"))
        _ = try makeBundle(Fixtures.path("demo-qwen2-vl"), nil, at: path) { metadata in
            let prompt = metadata["prompt"] ?? .null
            return metadata.setting("prompt", to: prompt.setting("chat_template", to: template.json))
        }
        return try Model(path, .init(threads: 2))
    }

    private let options = Session.Options(sampling: .init(), maximumTokens: 4)

    @Test func toolsAndThinkingReachTheTemplate() throws {
        let model = try model("{{ tools | tojson }} {{ enable_thinking is defined and enable_thinking }}")
        let session = try Session(model, capacity: 256)
        func written() throws -> String {
            model.tokenizer?.decode(try session.prepare([.text("Hi")]).tokens) ?? ""
        }
        #expect(try written() == "null False")
        session.tools = [.pairs(["name": "look"])]
        session.variables = ["enable_thinking": true]
        #expect(try written() == #"[{"name": "look"}] True"#)
    }

    /// A turn costs only what is new in it, and a template that cuts its history short is read anew from there.
    @Test func onlyWhatIsNewIsRead() throws {
        let text =
            "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ '[assistant]' if add_generation_prompt }}"
        let session = try Session(model(text), capacity: 256)
        let first = try session.answer([.text("Describe the picture.")], options: options)
        let second = try session.prepare([.text("Which color?")])
        #expect(second.place.cached > first.promptTokens)
        let whole = try session.model.requireTokenizer().encode(
            "[user]Which color?[assistant]", specials: .parse)
        #expect(second.tokens.count <= whole.count + 2)

        let last = try Session(model("[{{ messages[-1].role }}]{{ messages[-1].content }}"), capacity: 256)
        _ = try last.answer([.text("Describe the picture.")], options: options)
        let turn = try last.prepare([.text("Which color?")])
        #expect(turn.place.cached + turn.tokens.count == turn.positions.next)
        let answer = try last.answer([.text("Which color?")], options: options)
        let fresh = try Session(last.model, capacity: 256).answer([.text("Which color?")], options: options)
        #expect(answer.tokens == fresh.tokens)
    }

    /// A picture is read when it is shown; a template that writes otherwise what came before it would need it again.
    @Test func aPictureIsNotReadTwice() throws {
        let session = try Session(
            model(
                "{{ messages | length }}{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
                    + "{% for p in m.content %}{{ '<|image_pad|>' if p.type == 'image' else p.text }}{% endfor %}"
                    + "{% endif %}{% endfor %}"), capacity: 256)
        let picture = try session.model.picture(Fixtures.path("demo-pictures/scene_2.png"))
        _ = try session.answer([.image(picture), .text("What?")], options: options)
        let failure = #expect(throws: Failure.self) { try session.prepare([.text("Which color?")]) }
        #expect(failure?.message.contains("earlier picture") == true)
    }

    /// What began with tokens has no words that a template could write again.
    @Test func tokensAndWordsDoNotMix() throws {
        let session = try Session(model("{{ messages[0].content }}"), capacity: 256)
        let prompt = try PreparedPrompt(tokens: [1, 2, 3], visuals: [], settings: session.model.prompt)
        _ = try session.answer(prompt, options: options)
        #expect(throws: Failure.self) { try session.prepare([.text("And?")]) }
    }
}
