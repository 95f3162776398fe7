import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Adapters that are not supported, or not as they should be: each is refused, and says why.
@Suite struct AdapterErrorTests {
    @Test(
        arguments: [
            (#"peft_type"#, #""LOHA""#, #"is "LOHA""#),
            (#"bias"#, #""all""#, #"trained biases"#),
            (#"bias"#, #""lora_only""#, #"trained biases"#),
            (#"bias"#, #"3"#, #"'bias': 3"#),
            (#"fan_in_fan_out"#, #"true"#, #"fan_in_fan_out"#),
            (#"lora_bias"#, #"true"#, #"lora_bias"#),
            (#"use_qalora"#, #"true"#, #"use_qalora"#),
            (#"trainable_token_indices"#, #"[1, 2]"#, #"trainable_token_indices"#),
            (#"target_parameters"#, #"["mlp.experts.gate_up_proj"]"#, #"target_parameters"#),
            (#"layer_replication"#, #"[[0, 1], [0, 2]]"#, #"layer_replication"#),
            (#"use_bdlora"#, #"{"nblocks": 2}"#, #"use_bdlora"#),
            (#"kasa_config"#, #"{"beta": 1}"#, #"kasa_config"#),
            (#"velora_config"#, #"{"scale": 1}"#, #"velora_config"#),
            (#"monteclora_config"#, #"{"x": 1}"#, #"monteclora_config"#),
            (#"arrow_config"#, #"{"top_k": 1}"#, #"arrow_config"#),
            (#"alora_invocation_tokens"#, #"[1]"#, #"alora_invocation"#),
            (#"loftq_config"#, #"{"loftq_bits": 4}"#, #"loftq_config"#),
            (#"enable_lora"#, #"[true, false]"#, #"enable_lora"#),
            (#"something_new"#, #"1"#, #"something_new"#),
            (#"init_lora_weights"#, #""pissa""#, #"before training"#),
            (#"init_lora_weights"#, #""pissa_niter_16""#, #"before training"#),
            (#"init_lora_weights"#, #""olora""#, #"before training"#),
            (#"init_lora_weights"#, #""corda""#, #"before training"#),
            (#"init_lora_weights"#, #""loftq""#, #"before training"#),
            (#"init_lora_weights"#, #""lora_ga""#, #"before training"#),
            (#"init_lora_weights"#, #"[]"#, #"'init_lora_weights'"#),
            (#"lora_alpha"#, #""8""#, #"'lora_alpha'"#),
            (#"lora_alpha"#, #"1e308"#, #"lora_alpha of 'model.layers.0.mlp.up_proj'"#),
            (#"r"#, #"0"#, #"'r': 0"#),
            (#"r"#, #"-1"#, #"'r': -1"#),
            (#"use_dora"#, #""yes""#, #"'use_dora'"#),
            (#"use_rslora"#, #"1"#, #"'use_rslora'"#),
            (#"rank_pattern"#, #"{"q": "8"}"#, #"rank_pattern.q"#),
            (#"alpha_pattern"#, #"[8]"#, #"'alpha_pattern'"#),
            (#"alpha_pattern"#, #"{"(": 8}"#, #"no regular expression"#),
        ] as [(String, String, String)])
    func settingsThatAreRefused(key: String, value: String, message: String) throws {
        var folder = try AdapterFolder()
        folder.addPair("model.layers.0.mlp.up_proj")
        #expect(try folder.refusal() == nil)
        folder.set(key, try JSON(parsing: Array(value.utf8)))
        let failure = try #require(try folder.refusal())
        #expect(failure.kind == .badInput)
        #expect("\(failure)".contains(message), "\(failure)")
        #expect("\(failure)".contains("adapter_config.json"), "\(failure)")
    }

    /// Whatever a setting holds, it is taken or refused.
    @Test func settingsOfAnyKind() throws {
        let keys = [
            "peft_type", "r", "lora_alpha", "use_dora", "use_rslora", "bias", "init_lora_weights",
            "rank_pattern",
            "alpha_pattern", "base_model_name_or_path", "target_modules", "modules_to_save", "fan_in_fan_out",
        ]
        let values = try JSON(
            parsing: Array(
                #"[null, true, 0, -1, 1e300, 0.5, "", "x", [], [[]], [1, "a"], {"a": null}, {"a": {"b": 1}}, 9223372036854775807]"#
                    .utf8))
        var refused = 0
        for key in keys {
            for value in values.array ?? [] {
                var folder = try AdapterFolder()
                folder.addPair("m")
                folder.set(key, value)
                guard let failure = try folder.refusal() else { continue }
                #expect(failure.kind == .badInput)
                refused += 1
            }
        }
        #expect(refused > 80)
    }

    private func refuses(
        _ parts: String..., config: [String: JSON] = [:], sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout AdapterFolder) -> Void
    ) throws {
        var folder = try AdapterFolder(config)
        change(&folder)
        let failure = try #require(try folder.refusal(), sourceLocation: sourceLocation)
        #expect(failure.kind == .badInput, sourceLocation: sourceLocation)
        for part in parts {
            #expect("\(failure)".contains(part), "\(failure)", sourceLocation: sourceLocation)
        }
    }

    @Test func tensorsOfProcessesThatSharedThem() throws {
        try refuses("ZeRO-3", "m.lora_A.weight") { $0.add("m.lora_A.weight", [0], []) }
        try refuses("ZeRO-3", "m.lora_A.weight") {
            $0.add("m.lora_A.weight", [6], [1, 2, 3, 4, 5, 6])
            $0.add("m.lora_B.weight", [4, 2], [Double](repeating: 1, count: 8))
        }
        try refuses("ZeRO-3", "m.lora_B.weight") {
            $0.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, 6])
            $0.add("m.lora_B.weight", [8], [Double](repeating: 1, count: 8))
        }
        try refuses("ZeRO-3") {
            $0.add("m.lora_A.weight", [], [1])
            $0.add("m.lora_B.weight", [], [1])
        }
    }

    @Test func tensorsThatDoNotBelongTogether() throws {
        try refuses("only one of the two matrices of 'm'") {
            $0.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, 6])
        }
        try refuses("only one of the two matrices of 'm'") {
            $0.add("m.lora_B.weight", [3, 2], [1, 2, 3, 4, 5, 6])
        }
        try refuses("does not go with [4, 3]") {
            $0.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, 6])
            $0.add("m.lora_B.weight", [4, 3], [Double](repeating: 1, count: 12))
        }
        try refuses("does not go with [1, 2, 2]") {
            $0.add("m.lora_A.weight", [2, 3, 2], [Double](repeating: 1, count: 12))
            $0.add("m.lora_B.weight", [1, 2, 2], [1, 1, 1, 1])
        }
        try refuses("different kinds of layers") {
            $0.add("m.lora_embedding_A", [2, 3], [1, 2, 3, 4, 5, 6])
            $0.add("m.lora_B.weight", [4, 2], [Double](repeating: 1, count: 8))
        }
        try refuses("are the same matrix") {
            $0.addPair("m")
            $0.add("m.base_layer.lora_A.default.weight", [2, 3], [1, 2, 3, 4, 5, 6])
        }
        try refuses("more than one adapter") {
            $0.add("m.lora_A.second.weight", [2, 3], [1, 2, 3, 4, 5, 6])
        }
        try refuses("'lora_ga'", "merge_and_unload") {
            $0.add("m.lora_ga.weight", [2, 3], [1, 2, 3, 4, 5, 6])
        }
        try refuses("I32, not floats") {
            $0.tensors.append(.init("m.lora_A.weight", "I32", [1], [0, 0, 0, 0]))
        }
        try refuses("F8_E4M3, not floats") {
            $0.tensors.append(.init("m.lora_A.weight", "F8_E4M3", [1], [0]))
        }
        try refuses("holds no tensor") { _ in }
    }

    @Test func magnitudes() throws {
        try refuses("has no lora_magnitude_vector", config: ["use_dora": true]) { $0.addPair("m") }
        try refuses("which use_dora in adapter_config.json denies") {
            $0.addPair("m")
            $0.add("m.lora_magnitude_vector", [4], [1, 1, 1, 1])
        }
        try refuses("of an embedding, whose magnitudes are not supported", config: ["use_dora": true]) {
            $0.add("m.lora_embedding_A", [2, 3], [1, 2, 3, 4, 5, 6])
            $0.add("m.lora_embedding_B", [1, 2], [1, 2])
            $0.add("m.lora_magnitude_vector", [1], [1])
        }
    }

    @Test(arguments: [ElementType.float32, .bfloat16, .float16, .float64])
    func valuesThatAreNoNumbers(type: ElementType) throws {
        for (value, text) in [(Double.nan, "nan"), (.infinity, "inf"), (-.infinity, "-inf")] {
            try refuses("holds \(text) at [1, 2]", "m.lora_A.weight", "the training went wrong") {
                $0.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, value], as: type)
                $0.add("m.lora_B.weight", [4, 2], [Double](repeating: 1, count: 8))
            }
            try refuses("holds \(text) at [3, 0]", "m.lora_B.weight") {
                $0.add("m.lora_A.weight", [2, 3], [1, 2, 3, 4, 5, 6])
                $0.add("m.lora_B.weight", [4, 2], [1, 1, 1, 1, 1, 1, value, 1], as: type)
            }
        }
    }

    @Test func filesThatAreMissing() throws {
        let folder = try AdapterFolder()
        #expect(throws: Failure.self) { try Adapter(folder.directory.file("nowhere")) }
        let none = #expect(throws: Failure.self) { try Adapter(folder.directory.path) }
        #expect("\(try #require(none))".contains("holds no adapter_config.json"))
        try putFile(folder.directory.file("adapter_config.json"), Array("{}".utf8))
        let lone = #expect(throws: Failure.self) { try Adapter(folder.directory.path) }
        #expect("\(try #require(lone))".contains("neither adapter_model.safetensors nor adapter_model.bin"))
        for text in ["", "[]", "{", "3"] {
            try putFile(folder.directory.file("adapter_config.json"), Array(text.utf8))
            #expect(throws: Failure.self) { try Adapter(folder.directory.path) }
        }
    }

    @Test func aDamagedFileIsRefused() throws {
        var folder = try AdapterFolder()
        folder.addPair("m")
        try folder.write()
        let path = folder.directory.file("adapter_model.safetensors")
        let sound = try readFile(path)
        for count in stride(from: 0, to: sound.count, by: 7) {
            try putFile(path, Array(sound[..<count]))
            let failure = #expect(throws: Failure.self) { try Adapter(folder.directory.path) }
            #expect(failure?.kind == .badInput)
        }
    }
}
