import Generations
import GraphIR
import Prompts
import Storage
import TestSupport
import Testing

/// Every setting of a checkpoint is obeyed, known to make no difference, or named.
@Suite struct SettingsLedgerTests {
    private static let unsupported: [(String, [String], JSON)] = [
        ("config.json", ["partial_rotary_factor"], .double(0.5)),
        ("config.json", ["attn_logit_softcapping"], .double(30)),
        ("config.json", ["layer_types"], ["full_attention", "sliding_attention"]),
        ("config.json", ["rope_scaling", "factor"], 4),
        ("config.json", ["vision_config", "layer_norm_eps"], .double(1e-5)),
        ("generation_config.json", ["no_repeat_ngram_size"], 3),
        ("generation_config.json", ["suppress_tokens"], [1, 2]),
        ("generation_config.json", ["bad_words_ids"], [[1], [2, 3]]),
        ("generation_config.json", ["presence_penalty"], .double(1.5)),
        ("generation_config.json", ["num_beams"], 4),
    ]

    /// Settings that would make a difference and are not supported are refused, with the file and the key.
    @Test(arguments: unsupported)
    func whatWouldMakeADifferenceIsRefused(_ file: String, _ keys: [String], _ value: JSON) throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set(file, keys, to: value)
        let failure = #expect(throws: Failure.self) { try Converter.qwen2VL.read(copy.path) }
        #expect(failure?.description.contains(file) == true)
        #expect(failure?.description.contains("'\(keys.joined(separator: "."))'") == true)
    }

    /// The user may have such a setting passed over, and the bundle says so.
    @Test func aSettingIsPassedOverOnRequest() throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set("generation_config.json", ["no_repeat_ngram_size"], to: 3)
        let model = try Converter.qwen2VL.read(
            copy.path, ImportOptions(ignoredSettings: ["generation_config.json:no_repeat_ngram_size"]))
        #expect(model.warnings.contains { $0.contains("'no_repeat_ngram_size' (3) is passed over") })
        let named = model.metadata(sources: [], recipe: .null)["provenance"]?["settings"]?["passed_over"]
        #expect(named?.array?.count == 1)
        let idle = try Converter.qwen2VL.read(
            copy.path,
            ImportOptions(ignoredSettings: [
                "generation_config.json:no_repeat_ngram_size", "generation_config.json:top_k",
            ]))
        #expect(
            idle.warnings.count { $0.contains("--ignore-setting generation_config.json:top_k names nothing") }
                == 1)
    }

    private static let neutral: [(String, [String], JSON)] = [
        ("config.json", ["partial_rotary_factor"], .double(1)),
        ("config.json", ["layer_types"], ["full_attention", "full_attention"]),
        ("config.json", ["attention_dropout"], .double(0.1)),
        ("generation_config.json", ["no_repeat_ngram_size"], 0),
        ("generation_config.json", ["num_beams"], 1),
        ("generation_config.json", ["typical_p"], 1),
        ("generation_config.json", ["suppress_tokens"], []),
        ("generation_config.json", ["max_new_tokens"], 2048),
    ]

    /// Settings with the values that change nothing are not mentioned.
    @Test(arguments: neutral)
    func whatMakesNoDifferenceIsNotMentioned(_ file: String, _ keys: [String], _ value: JSON) throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        let before = try Converter.qwen2VL.read(copy.path)
        try copy.set(file, keys, to: value)
        let after = try Converter.qwen2VL.read(copy.path)
        #expect(after.warnings == before.warnings)
        #expect(after.plan.graph.json == before.plan.graph.json && after.prompt == before.prompt)
    }

    /// What nobody knows is named in a warning.
    @Test(arguments: [
        ("config.json", ["quantum_heads"]), ("config.json", ["vision_config", "quantum_heads"]),
        ("generation_config.json", ["quantum_temperature"]),
    ])
    func whatNobodyKnowsIsNamed(_ file: String, _ keys: [String]) throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set(file, keys, to: 3)
        let warnings = try Converter.qwen2VL.read(copy.path).warnings
        #expect(warnings.contains { $0.contains(file) && $0.contains("'\(keys.joined(separator: "."))'") })
    }

    /// The fixtures' own settings are all known.
    @Test(arguments: Fixtures.published)
    func settingsOfPublishedFilesAreKnown(_ generation: String) throws {
        let model = try imported(generation, Fixtures.path("\(generation)/published"))
        #expect(model.warnings.filter { $0.contains(".json: '") }.isEmpty)
        #expect(
            model.settings.settings.contains { $0.fate == .obeyed && $0.file == "generation_config.json" })
    }

    private static let impossible: [(String, JSON)] = [
        ("temperature", .double(-1)), ("temperature", "warm"), ("repetition_penalty", 0),
        ("repetition_penalty", "1.05"), ("top_k", "20"), ("top_k", -1), ("top_p", .double(1.5)),
        ("do_sample", "true"), ("min_p", 2), ("eos_token_id", "<|im_end|>"), ("eos_token_id", [1, -2]),
    ]

    /// Numbers by which no token can be chosen are refused where they stand, not when somebody asks the model.
    @Test(arguments: impossible)
    func numbersThatChooseNothingAreRefused(_ key: String, _ value: JSON) throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set("generation_config.json", [key], to: value)
        let failure = #expect(throws: Failure.self) { try Converter.qwen2VL.read(copy.path) }
        #expect(failure?.description.contains("generation_config.json") == true)
        #expect(failure?.description.contains("'\(key)'") == true)
    }

    /// A window of attention needs a width and layers; padding is nothing to the processors.
    @Test func settingsThatLookLikeADifferenceAndAreNone() throws {
        let copy = try EditedCheckpoint("qwen2.5-vl/published")
        let before = try Converter.qwen25VL.read(copy.path)
        try copy.set("config.json", ["use_sliding_window"], to: true)
        try copy.set("config.json", ["max_window_layers"], to: 70)
        try copy.set("preprocessor_config.json", ["do_pad"], to: true)
        #expect(try Converter.qwen25VL.read(copy.path).plan.graph.json == before.plan.graph.json)
        try copy.set("config.json", ["max_window_layers"], to: 1)
        #expect(throws: Failure.self) { try Converter.qwen25VL.read(copy.path) }
        try copy.set("config.json", ["sliding_window"], to: nil)
        #expect(try Converter.qwen25VL.read(copy.path).plan.graph.json == before.plan.graph.json)
    }

    /// Without generation_config.json its settings may stand in config.json, where they count as much.
    @Test func unsupportedSettingsOfConfigAreRefused() throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.set("config.json", ["no_repeat_ngram_size"], to: 3)
        _ = try Converter.qwen2VL.read(copy.path)
        try copy.remove("generation_config.json")
        #expect(throws: Failure.self) { try Converter.qwen2VL.read(copy.path) }
        let key = "config.json:no_repeat_ngram_size"
        let warnings = try Converter.qwen2VL.read(copy.path, ImportOptions(ignoredSettings: [key])).warnings
        #expect(warnings.contains { $0.contains("'no_repeat_ngram_size' (3) is passed over, as you wish") })
        #expect(!warnings.contains { $0.contains("names nothing") })
    }

    /// Without generation_config.json its settings may stand in config.json.
    @Test func generationSettingsMayStandInConfig() throws {
        let copy = try EditedCheckpoint("qwen2-vl/published")
        try copy.remove("generation_config.json")
        try copy.set("config.json", ["temperature"], to: .double(0.3))
        try copy.set("config.json", ["eos_token_id"], to: [1002, 1000])
        let model = try Converter.qwen2VL.read(copy.path)
        #expect(model.sampling["temperature"] == .double(0.3))
        #expect(model.prompt.stopTokens == [1002, 1000])
    }
}
