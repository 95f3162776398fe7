import Generations
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
            _ = try ImportedModel.qwen2VL(copy.path, options)
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
        let failure = #expect(throws: Failure.self) { try ImportedModel.qwen3VL(copy.path) }
        #expect(failure?.file?.hasSuffix("preprocessor_config.json") == true)
    }

    /// The token that ends a turn in the template, and the tokenizer's own, end answers whatever the files list.
    @Test func theEndOfATurnAlwaysEndsAnAnswer() throws {
        let copy = try demo()
        for stated: JSON? in [433, nil, .array([433])] {
            try copy.set("generation_config.json", ["eos_token_id"], to: stated)
            try copy.set("config.json", ["eos_token_id"], to: stated)
            let model = try ImportedModel.qwen2VL(copy.path)
            #expect(model.prompt.stopTokens.contains(435))
            #expect(model.warnings.contains { $0.contains("token 435") })
        }
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
        let model = try ImportedModel.qwen2VL(copy.path, ImportOptions(chatTemplate: "qwen2-vl"))
        #expect(model.prompt.template.warning != nil)
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
        let warnings = try ImportedModel.qwen2VL(copy.path).warnings
        #expect(warnings.contains { $0.contains("cannot write a video") })
    }
}
