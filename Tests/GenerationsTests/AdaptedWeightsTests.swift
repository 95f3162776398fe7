import Checkpoints
import Storage
import TestSupport
import Testing

@testable import Generations

/// Adapters merged into checkpoints.
@Suite struct AdaptedWeightsTests {
    private static let base = Fixtures.path("qwen3-vl/published")
    private static let lora = Fixtures.path("adapters/lora")
    private static let dora = Fixtures.path("adapters/dora")

    private func model(_ adapters: [String], of base: String = base) throws -> ImportedModel {
        try Converter.qwen3VL.read(base, ImportOptions(adapters: adapters))
    }

    /// The values of a plan's slots, by the names of the weights that fill them.
    private func values(_ model: ImportedModel) throws -> [String: [Float]] {
        var result: [String: [Float]] = [:]
        for entry in model.plan.ledger.entries {
            guard let weight = entry.pieces.first?.weight else { continue }
            switch weight.form {
            case .plain(let tensor):
                result[weight.name] = floats(Array(tensor.data.bytes), tensor.type.rawValue)
            case .derived(let derived):
                var values = [Float](repeating: .nan, count: derived.shape.count)
                try values.withUnsafeMutableBytes { bytes in
                    try derived.readRows(0..<derived.shape.extents[0], into: bytes)
                }
                result[weight.name] = values
            case .described: break
            }
        }
        return result
    }

    private func floats(_ bytes: [UInt8], _ type: String) -> [Float] {
        bytes.withUnsafeBytes { bytes in
            type == "F32"
                ? (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
                : (0..<bytes.count / 2).map {
                    Float(
                        bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16
                    )
                }
        }
    }

    private func refusal(_ adapters: [String], of base: String = base) throws -> String {
        let failure = #expect(throws: Failure.self) { try model(adapters, of: base) }
        let found = try #require(failure)
        #expect(found.kind == .badInput)
        return "\(found)"
    }

    /// A copy of an adapter whose tensors are edited.
    private func edited(
        _ adapter: String, _ change: (inout [TestTensor]) -> Void
    ) throws -> TemporaryDirectory {
        let copy = try TemporaryDirectory()
        try putFile(
            copy.file("adapter_config.json"), readFile(Path.join(adapter, "adapter_config.json")))
        var tensors = try readSafetensors(Path.join(adapter, "adapter_model.safetensors"))
        change(&tensors)
        try writeSafetensors(tensors, to: copy.file("adapter_model.safetensors"))
        return copy
    }

    /// Two adapters of PEFT's, one after the other: patterns, an embedding, norms saved whole; DoRA in bfloat16 with the names of
    /// transformers 4. Each weight is within two roundings of PEFT's own merge in float32; the others are as they were.
    @Test func isWhatPeftMerges() throws {
        let merged = try model([Self.lora, Self.dora])
        let found = try values(merged), before = try values(model([]))
        let expected = try readSafetensors(Fixtures.path("adapters/merged.safetensors"))
        #expect(expected.count == 8)
        for tensor in expected {
            let ours = try #require(found[tensor.name]), theirs = floats(tensor.bytes, tensor.type)
            #expect(ours.count == theirs.count && ours != before[tensor.name])
            let worst = zip(ours, theirs).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 1
            #expect(worst <= 2e-7, "\(tensor.name)")
        }
        let changed = Set(expected.map(\.name))
        for (name, values) in before where !changed.contains(name) {
            #expect(found[name] == values, "\(name)")
        }
        #expect(
            merged.notes.map { $0.suffix(while: { $0 != ":" }) } == [
                " 4 weights changed, 2 replaced", " 3 weights changed, 0 replaced",
            ])
        #expect(merged.files.filter { $0.name == "adapter_config.json" }.count == 2)
        // The order counts: lengths are set last, or added to.
        #expect(try values(model([Self.dora, Self.lora])) != found)
    }

    /// An embedding that is changed is no longer the head: so it was trained.
    @Test func aTiedHeadStaysWhatItWas() throws {
        let embedding = "model.language_model.embed_tokens.weight"
        let before = try values(model([]))
        #expect(before["lm_head.weight"] == nil)
        let merged = try model([Self.lora])
        #expect(try values(merged)["lm_head.weight"] == before[embedding])
        #expect(merged.warnings.contains { $0.contains("or an adapter, holds another") })
        #expect(try values(model([Self.dora]))["lm_head.weight"] == nil)
    }

    /// As PEFT saves what it adds to, beside the matrices of embeddings and heads: it is added to that.
    @Test func aLayerIsReplacedAndAddedTo() throws {
        let name = "base_model.model.model.language_model.embed_tokens.base_layer.weight"
        let copy = try edited(Self.lora) {
            $0.append(.init(name, "F32", [200, 48], [UInt8](repeating: 0, count: 200 * 48 * 4)))
        }
        let embedding = "model.language_model.embed_tokens.weight"
        let found = try #require(try values(model([copy.path]))[embedding])
        let whole = try #require(try values(model([Self.lora]))[embedding])
        let before = try #require(try values(model([]))[embedding])
        let worst = zip(found, zip(whole, before)).map { abs($0 - ($1.0 - $1.1)) }.max() ?? 1
        #expect(worst <= 3e-7)
    }

    /// Both eras of names are read, whichever the base has.
    @Test(arguments: ["qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3-vl-moe"])
    func namesOfBothEras(fixture: String) throws {
        func read(_ adapter: TemporaryDirectory) throws -> [String: [Float]] {
            let options = ImportOptions(adapters: [adapter.path])
            return try values(imported(fixture, Fixtures.path("\(fixture)/published"), options))
        }
        let weights = try Checkpoint(Fixtures.path("\(fixture)/published")).tensors
        func rows(_ name: String) throws -> [Int] {
            try #require(weights.first { $0.name.hasSuffix(name) && !$0.name.contains("deepstack") }).shape
                .extents
        }
        let text = try rows("layers.1.self_attn.k_proj.weight"), vision = try rows("blocks.0.attn.qkv.weight")
        func adapter(_ inner: String, _ tower: String) throws -> TemporaryDirectory {
            let folder = try TemporaryDirectory()
            try putFile(
                folder.file("adapter_config.json"), Array(#"{"peft_type":"LORA","r":1,"lora_alpha":1}"#.utf8))
            let tensors = [
                ("\(inner)layers.1.self_attn.k_proj", text), ("\(tower)blocks.0.attn.qkv", vision),
            ].flatMap {
                (module, extents) in
                [("A", [1, extents[1]]), ("B", [extents[0], 1])].map { (matrix, shape) in
                    let values = (0..<shape[0] * shape[1]).map { Float($0 % 5) / 8 }
                    return TestTensor(
                        "base_model.model.\(module).lora_\(matrix).weight", "F32", shape,
                        values.withUnsafeBytes { Array($0) })
                }
            }
            try writeSafetensors(tensors, to: folder.file("adapter_model.safetensors"))
            return folder
        }
        let new = try read(adapter("model.language_model.", "model.visual."))
        let old = try read(adapter("model.", "visual."))
        #expect(new == old)
        let whole = try adapter("model.", "visual.")
        let half = try read(edited(whole.path) { $0.removeLast(2) })
        #expect(new != half)
    }

    @Test func adaptersOfOtherModels() throws {
        let found = try refusal([Self.lora], of: Fixtures.path("qwen3-vl-moe/published"))
        #expect(
            found.contains("mlp.down_proj.weight', which the checkpoint does not hold (for 'qwen3-vl')"),
            "\(found)")
        func renamed(_ part: String, _ other: String) throws -> String {
            let copy = try edited(Self.dora) { tensors in
                tensors = tensors.map {
                    TestTensor($0.name.replacing(part, with: other), $0.type, $0.shape, $0.bytes)
                }
            }
            return try refusal([copy.path])
        }
        #expect(try renamed("self_attn", "attention").contains("which is no weight of this model"))
        #expect(try renamed("layers.0", "layers.9").contains("which the checkpoint does not hold"))
        #expect(
            try renamed("self_attn.q_proj", "mlp.experts").contains("adapters of experts are not supported"))
        let wrong = try renamed("attn.qkv", "attn.proj")
        #expect(wrong.contains("change a weight of [48, 16], not one of [16, 16]"), "\(wrong)")
        #expect(wrong.contains("is it an adapter of this model?"))
        // By both names at once.
        let twice = try edited(Self.dora) { tensors in
            tensors += tensors.map {
                TestTensor(
                    $0.name.replacing("model.model.", with: "model.model.language_model."), $0.type, $0.shape,
                    $0.bytes)
            }.filter { $0.name.contains("language_model") }
        }
        #expect(try refusal([twice.path]).contains("twice, by two names of it"))
    }

    @Test func aWholeTensorOfAnotherShape() throws {
        let copy = try edited(Self.lora) {
            $0.append(
                .init(
                    "base_model.model.lm_head.weight", "F32", [201, 48],
                    [UInt8](repeating: 0, count: 201 * 48 * 4)))
        }
        let found = try refusal([copy.path])
        #expect(found.contains("has shape [201, 48], and the weight that it replaces [200, 48]"), "\(found)")
        #expect(found.contains("tokens of its own"))
    }

    @Test func theSameAdapterTwice() throws {
        #expect(try refusal([Self.lora, Self.dora, Self.lora]).contains("is given twice"))
        #expect(try refusal([Self.lora, Self.lora + "/../lora"]).contains("is given twice"))
    }

    @Test func foldersThatAreMistaken() throws {
        #expect(try refusal([], of: Self.lora).contains("is an adapter for 'qwen3-vl'"))
        #expect(try refusal([Self.base]).contains("holds no adapter_config.json"))
        let both = try EditedCheckpoint("qwen3-vl/published", overlays: "adapters/lora")
        #expect(try refusal([], of: both.path).contains("to merge the adapter into them, add --adapter"))
        let chosen = try Converter.qwen3VL.read(
            both.path, ImportOptions(weights: "model.safetensors.index.json", adapters: [both.path]))
        #expect(try values(chosen) == values(model([Self.lora])))
    }
}

extension String {
    /// The end of a text whose characters all satisfy a condition.
    fileprivate func suffix(while condition: (Character) -> Bool) -> String {
        String(reversed().prefix(while: condition).reversed())
    }
}
