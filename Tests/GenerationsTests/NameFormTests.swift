import Checkpoints
import Generations
import GraphIR
import Storage
import TestSupport
import Testing

/// Names as other tools leave them, and tensors that are no weights.
@Suite struct NameFormTests {
    /// Which of the tensors, by their order, fills each slot.
    private func places(_ model: ImportedModel, _ tensors: [TestTensor]) -> [String: [Int]] {
        let numbers = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
        return Dictionary(
            uniqueKeysWithValues: model.plan.ledger.entries.map { entry in
                (entry.slot.name, entry.sources.compactMap { numbers[$0] })
            })
    }

    /// Every known form fills the slots with the same tensors as the published names, in every generation.
    @Test(arguments: Fixtures.published)
    func knownFormsAreRead(fixture: String) throws {
        var copy = try EditedTensors(fixture)
        let published = copy.tensors
        try copy.write()
        let expected = places(try imported(fixture, copy.path), published)
        let forms: [(String) -> String] = [
            { "_orig_mod." + $0 }, { "module." + $0 }, { "base_model.model." + $0 }, { "model." + $0 },
            { "_fsdp_wrapped_module.module." + $0 }, { "thinker." + $0 }, { "module._orig_mod.model." + $0 },
            { name in
                name.split(separator: ".").map {
                    Int($0) == nil ? "\($0)" : "\($0)._checkpoint_wrapped_module"
                }
                .joined(separator: ".")
            },
            { $0.replacing(".weight", with: ".base_layer.weight") },
            { name in
                // Without the first word, except of the head, which would be a mere 'weight'.
                let parts = name.split(separator: ".")
                return parts[0] == "lm_head" ? name : parts.dropFirst().joined(separator: ".")
            },
        ]
        for (number, form) in forms.enumerated() {
            copy.tensors = published
            copy.rename(form)
            try copy.write()
            let model = try imported(fixture, copy.path)
            #expect(places(model, copy.tensors) == expected, "form \(number)")
            #expect(
                model.warnings.contains { $0.contains("names are not as published") }
                    == (copy.tensors.map(\.name) != published.map(\.name)),
                "form \(number): \(model.warnings)")
        }
    }

    private func refusal(_ copy: EditedTensors) throws -> String {
        try copy.write()
        do {
            _ = try Converter.qwen2VL.read(copy.path)
            return "accepted"
        } catch let failure {
            #expect(failure.kind == .badInput)
            return "\(failure)"
        }
    }

    @Test func strangeNamesAreSaidInWhole() throws {
        var copy = try EditedTensors()
        let count = copy.tensors.count
        copy.rename { "policy.net." + $0 }
        let message = try refusal(copy)
        #expect(message.contains("all \(count) names begin with 'policy.net.'"), "\(message)")
        #expect(message.contains("'model.visual.'"), "\(message)")
    }

    @Test func adaptersWithinAreNamed() throws {
        var copy = try EditedTensors()
        copy.add("model.layers.0.self_attn.q_proj.lora_A.default.weight")
        #expect(try refusal(copy).contains("is of an adapter that was not merged"))
    }

    /// Two names of one weight are never chosen between.
    @Test func oneWeightTwice() throws {
        var copy = try EditedTensors()
        let first = try #require(copy.tensors.first { $0.name.hasSuffix("q_proj.weight") })
        copy.tensors.append(TestTensor("module." + first.name, first.type, first.shape, first.bytes))
        #expect(try refusal(copy).contains("are the same weight"))
    }

    /// Tables that are made anew when a model is loaded are named as unused, whatever form their names have.
    @Test(arguments: [
        "model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.original_inv_freq",
        "visual.rotary_pos_emb.inv_freq", "module.model.language_model.rotary_emb.inv_freq",
        "model.embeddings.position_ids",
    ])
    func tablesAreRecomputed(name: String) throws {
        var copy = try EditedTensors()
        copy.add(name)
        try copy.write()
        let unused = try Converter.qwen2VL.read(copy.path).plan.ledger.unused
        #expect(unused.map(\.name) == [name])
        #expect(unused.first?.reason.contains("recomputed") == true)
    }

    @Test func masksOfTheFirstGeneration() throws {
        var copy = try EditedTensors("qwen-vl")
        copy.add("transformer.h.0.attn.bias", "BOOL", [1, 1, 4, 4], bytes: 16)
        copy.add("transformer.h.0.attn.masked_bias", "F32", [], bytes: 4)
        copy.add("transformer.rotary_emb.inv_freq")
        try copy.write()
        #expect(try Converter.qwenVL.read(copy.path).plan.ledger.unused.count == 3)
    }

    /// config.json may name the weights, as transformers 5 has it; the user has the last word.
    @Test func statedWeights() throws {
        let copy = try EditedTensors()
        try copy.write()
        try writeSafetensors(copy.tensors, to: copy.file("other.safetensors"))
        #expect(try Converter.qwen2VL.read(copy.path).checkpoint.files.map(\.name) == ["model.safetensors"])
        let config = try JSON(file: copy.file("config.json"))
        try copy.put(
            "config.json", config.setting("transformers_weights", to: "other.safetensors").serialized())
        #expect(try Converter.qwen2VL.read(copy.path).checkpoint.files.map(\.name) == ["other.safetensors"])
        let chosen = try Converter.qwen2VL.read(copy.path, ImportOptions(weights: "model.safetensors"))
        #expect(chosen.checkpoint.files.map(\.name) == ["model.safetensors"])
        try copy.put(
            "config.json", config.setting("transformers_weights", to: "../x.safetensors").serialized())
        #expect(throws: Failure.self) { try Converter.qwen2VL.read(copy.path) }
    }

    /// A type without a reader matters where the tensor is needed, and not elsewhere.
    @Test func unknownTypes() throws {
        var copy = try EditedTensors()
        copy.add("calibration.histogram", "F6_E2M3", [4], bytes: 3)
        try copy.write()
        let model = try Converter.qwen2VL.read(copy.path)
        #expect(model.plan.ledger.unused.map(\.name) == ["calibration.histogram"])
        #expect(model.plan.ledger.unused[0].reason.contains("a tensor of F6_E2M3"))
        let index = try #require(copy.tensors.firstIndex { $0.name.hasSuffix("q_proj.weight") })
        let tensor = copy.tensors[index]
        copy.tensors[index] = TestTensor(tensor.name, "F4", tensor.shape, tensor.bytes)
        #expect(
            try refusal(copy).contains("'\(tensor.name)' is a tensor of F4, which there is no reader for"))
    }
}
