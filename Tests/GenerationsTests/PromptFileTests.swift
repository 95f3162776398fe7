import Generations
import Glibc
import Prompts
import Storage
import TestSupport
import Testing

/// What a checkpoint's prompts need is there and fits, or its conversion stops; what is left out is replaced with a warning.
@Suite struct PromptFileTests {
    private func demo() throws -> EditedCheckpoint { try EditedCheckpoint("demo-qwen2-vl") }

    /// Why the demo cannot be read, if it cannot.
    private func refusal(_ copy: EditedCheckpoint, _ options: ImportOptions = .init()) -> String? {
        do throws(Failure) {
            _ = try Converter.qwen2VL.read(copy.path, options)
            return nil
        } catch { return error.description }
    }

    /// A model that was saved without its processor, as training loops do.
    @Test(arguments: ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
    func publishedSettingsStandInForProcessorFiles(_ generation: String) throws {
        let copy = try EditedCheckpoint("\(generation)/published")
        let original = try imported(generation, copy.path)
        for file in ["preprocessor_config.json", "video_preprocessor_config.json"]
        where Path.exists(copy.directory.file(file)) { try copy.remove(file) }
        let model = try imported(generation, copy.path)
        #expect(model.prompt.images == original.prompt.images)
        #expect(model.prompt.videos == original.prompt.videos)
        #expect(model.warnings.contains { $0.contains("neither preprocessor_config.json") })
    }

    /// A file of another generation's processor names itself.
    @Test func aProcessorThatDoesNotFitNamesItsFile() throws {
        let copy = try EditedCheckpoint("qwen3-vl/published")
        try copy.set("preprocessor_config.json", ["patch_size"], to: 14)
        let failure = #expect(throws: Failure.self) { try Converter.qwen3VL.read(copy.path) }
        #expect(failure?.file?.hasSuffix("preprocessor_config.json") == true)
    }

    /// The token that ends a turn in the template, and the tokenizer's own, end answers whatever the files list.
    @Test func theEndOfATurnAlwaysEndsAnAnswer() throws {
        let copy = try demo()
        for stated: JSON? in [433, nil, .array([433])] {
            try copy.set("generation_config.json", ["eos_token_id"], to: stated)
            try copy.set("config.json", ["eos_token_id"], to: stated)
            let model = try Converter.qwen2VL.read(copy.path)
            #expect(model.prompt.stopTokens.contains(435))
            #expect(model.warnings.contains { $0.contains("token 435") })
        }
    }

    /// What files state beyond the model's tokens is refused when it is converted, not when it is opened.
    @Test func statedTokensAreKnownToTheModel() throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set("generation_config.json", ["eos_token_id"], to: [1002, 5000])
        let failure = #expect(throws: Failure.self) { try Converter.qwen2VL.read(copy.path) }
        #expect(failure?.message.contains("token 5000") == true)
    }

    /// Placeholders are one token, with the number that config.json gives.
    @Test(arguments: ["image_token_id", "video_token_id"])
    func placeholdersAreTheTokensThatConfigStates(_ key: String) throws {
        let copy = try demo()
        try copy.set("config.json", [key], to: 5)
        #expect(refusal(copy)?.contains("'\(key)'") == true)
    }

    /// A mark of the template that the tokenizer would spell out stops the conversion.
    @Test func marksOfTheTemplateAreTokens() throws {
        let copy = try demo()
        try copy.set(
            "chat_template.json", ["chat_template"],
            to:
                "{% for m in messages %}<|turn|>{{ m.content if m.content is string else '<|image_pad|>' }}{% endfor %}"
        )
        #expect(refusal(copy)?.contains("<|turn|>") == true)
    }

    /// A template that refuses or drops pictures is refused, unless another one is given.
    @Test(arguments: [
        "{{ raise_exception('only text') }}", "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for %}",
        "{% for m in messages %}{% for n in range(10**9) %}{{ n }}{% endfor %}{% endfor %}",
    ])
    func aTemplateWithoutPicturesIsRefused(_ jinja: String) throws {
        let copy = try demo()
        try copy.set("chat_template.json", ["chat_template"], to: .string(jinja))
        #expect(refusal(copy)?.contains("--chat-template") == true)
        let model = try Converter.qwen2VL.read(copy.path, ImportOptions(chatTemplate: "qwen2-vl"))
        #expect(model.prompt.template.warning != nil)
    }

    /// A template that looks at lists of parts alone gets one, and no word is lost.
    @Test func aTemplateOfListsGetsLists() throws {
        let copy = try demo()
        try copy.set(
            "chat_template.json", ["chat_template"],
            to: .string(
                "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'text' %}"
                    + "{{ c.text }}{% elif c.type == 'image' %}<|image_pad|>{% elif c.type == 'video' %}<|video_pad|>"
                    + "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"))
        let prompt = try Converter.qwen2VL.read(copy.path).prompt
        #expect(prompt.template.content == .parts)
        let written = try prompt.write(
            Conversation([Message(role: "user", text: "Why?")]), Tokenizer(checkpoint: copy.path))
        #expect(written.pieces.contains(.text("Why?")))
        #expect(try PromptSettings(json: prompt.json) == prompt)
    }

    /// Where templates may stand, and the forms that they may have.
    @Test(arguments: ["processor_config.json", "tokenizer_config.json"], [true, false])
    func templatesStandInOtherFiles(_ file: String, _ isNamed: Bool) throws {
        let copy = try demo()
        let jinja = JSON.string(try ChatTemplate(named: "qwen2-vl", .given(name: "")).jinja)
        try copy.remove("chat_template.json")
        try copy.set("tokenizer_config.json", ["chat_template"], to: nil)
        try copy.set(
            file, ["chat_template"], to: isNamed ? .pairs(["default": jinja, "tool_use": "no"]) : jinja)
        #expect(try Converter.qwen2VL.read(copy.path).prompt.template.origin == .checkpoint(file: file))
    }

    /// A file that is lost is not one that was never there.
    @Test(arguments: [
        "generation_config.json", "chat_template.jinja", "tokenizer.json", "processor_config.json",
    ])
    func linksThatLeadNowhereAreRefused(_ name: String) throws {
        let copy = try demo()
        if Path.exists(copy.directory.file(name)) { try copy.remove(name) }
        #expect(symlink("/nowhere", copy.directory.file(name)) == 0)
        #expect(refusal(copy)?.contains("\(name): is a link") == true)
    }

    /// Nor is a file that holds something else than settings.
    @Test(arguments: ["generation_config.json", "preprocessor_config.json", "processor_config.json"])
    func filesWithoutSettingsAreRefused(_ name: String) throws {
        let copy = try demo()
        for text in ["[]", "null", "3"] {
            try putFile(copy.directory.file(name), Array(text.utf8))
            #expect(refusal(copy)?.contains(name) == true, "\(text)")
        }
    }

    /// A token that a template writes and the model does not know would fail every prompt.
    @Test func tokensBeyondTheModelAreRefused() throws {
        let copy = try demo()
        try copy.set(
            "tokenizer_config.json", ["added_tokens_decoder", "500"],
            to: .pairs(["content": "<|far|>", "special": true]))
        #expect(try Converter.qwen2VL.read(copy.path).warnings.contains { $0.contains("501 tokens") })
        let jinja = try ChatTemplate(named: "qwen2-vl", .given(name: "")).jinja
        try copy.set("chat_template.json", ["chat_template"], to: .string(jinja + "<|far|>"))
        #expect(refusal(copy)?.contains("token 500") == true)
    }

    /// What a template cannot do without being of no use is said.
    @Test func aTemplateWithoutVideosIsSaid() throws {
        let copy = try demo()
        try copy.set(
            "chat_template.json", ["chat_template"],
            to: .string(
                "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
                    + "{{ '<|image_pad|>' if p.type == 'image' else p.text }}{% endfor %}{% endif %}{% endfor %}"
            ))
        let warnings = try Converter.qwen2VL.read(copy.path).warnings
        #expect(warnings.contains { $0.contains("cannot write a video") })
    }

    /// Words that a template drops beside a picture are lost as much as the picture would be; dropped system messages are said.
    @Test func wordsThatATemplateDropsAreSaid() throws {
        let copy = try demo()
        let beginning =
            "{% for m in messages %}{% if m.content is string %}{{ m.content if m.role != 'system' }}{% else %}"
            + "{% for p in m.content %}{{ '<|image_pad|>' if p.type == 'image' else '<|video_pad|>' if p.type == 'video'"
        let ending = " }}{% endfor %}{% endif %}{% endfor %}"
        try copy.set(
            "chat_template.json", ["chat_template"], to: .string(beginning + " else p.text" + ending))
        let warnings = try Converter.qwen2VL.read(copy.path).warnings
        #expect(
            warnings.contains { $0.contains("cannot write a system message: it leaves out what is said") })
        try copy.set("chat_template.json", ["chat_template"], to: .string(beginning + ending))
        #expect(refusal(copy)?.contains("cannot write a picture: it leaves out what is said") == true)
    }
}
