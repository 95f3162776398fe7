import Checkpoints
import GraphIR
import Storage
import TestSupport
import Testing

@testable import Generations

/// What GGUF files say of models in which most blocks have a delta rule.
@Suite struct GGUFHybridTests {
    private let directory: TemporaryDirectory
    private static let twin = Result { try GGUFTwin(of: "qwen3.5/published") }

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ change: (inout GGUFTwin) -> Void = { _ in }) throws -> ImportedModel {
        var twin = try Self.twin.get()
        change(&twin)
        return try Converter.qwen35.read(twin.write(to: directory.path))
    }

    private func refuses(
        _ words: String, sourceLocation: SourceLocation = #_sourceLocation,
        changed change: (inout GGUFTwin) -> Void
    ) {
        let failure = #expect(throws: Failure.self, sourceLocation: sourceLocation) { try read(change) }
        #expect(failure?.kind == .badInput, sourceLocation: sourceLocation)
        #expect("\(failure as Any)".contains(words), "\(failure as Any)", sourceLocation: sourceLocation)
    }

    private static func set(_ twin: inout GGUFTwin, _ key: String, _ number: UInt32) {
        twin.text[value: "qwen35.\(key)"] = .init("qwen35.\(key)", number)
    }

    /// Files from before there was a list of blocks say it by an interval, or not at all.
    @Test func blocksWithoutAList() throws {
        let whole = try read()
        for takesInterval in [false, true] {
            let model = try read {
                $0.text[value: "qwen35.attention.recurrent_layers"] = nil
                if takesInterval { $0.text[value: "qwen35.full_attention_interval"] = nil }
            }
            #expect(model.plan.graph.json == whole.plan.graph.json)
        }
        refuses("layers.1.linear_attn.A_log' is beyond what config.json describes") {
            $0.text[value: "qwen35.attention.recurrent_layers"] = nil
            Self.set(&$0, "full_attention_interval", 2)
        }
    }

    @Test func whatDraftsIsLeftOut() throws {
        let ledger = try read().plan.ledger
        #expect(
            ledger.unused.map(\.name) == [
                "blk.4.nextn.eh_proj.weight", "blk.4.nextn.shared_head_norm.weight",
            ])
        #expect(ledger.unused.allSatisfy { $0.reason == "of a block that drafts tokens, which is not run" })
        refuses("'blk.4.nextn.eh_proj.weight' is not a tensor of this generation") {
            Self.set(&$0, "nextn_predict_layers", 0)
            Self.set(&$0, "block_count", 4)
            $0.text[value: "qwen35.attention.recurrent_layers"] = .init(
                "qwen35.attention.recurrent_layers", [true, true, true, false])
        }
    }

    @Test func metadata() {
        for key in [
            "block_count", "ssm.inner_size", "ssm.time_step_rank", "ssm.state_size", "ssm.group_count",
            "ssm.conv_kernel", "rope.dimension_count", "attention.key_length",
        ] {
            refuses("'qwen35.\(key)'") { $0.text[value: "qwen35.\(key)"] = nil }
        }
        for (key, number) in [
            ("block_count", 0), ("nextn_predict_layers", 5), ("ssm.inner_size", 81),
            ("ssm.time_step_rank", 0),
            ("rope.dimension_count", 33), ("attention.key_length", 0), ("block_count", 6),
        ] as [(String, UInt32)] {
            refuses("impossible") { Self.set(&$0, key, number) }
        }
        for flags in [[], [true, true, true, false], [true, true, true, false, true]] as [[Bool]] {
            refuses("impossible 'qwen35.attention.recurrent_layers'") {
                $0.text[value: "qwen35.attention.recurrent_layers"] = .init(
                    "qwen35.attention.recurrent_layers", flags)
            }
        }
        // Heads that the tensors have no room for, and a part of a head that the sections do not fill.
        refuses("are not those of 8 heads") {
            Self.set(&$0, "ssm.time_step_rank", 8)
        }
        refuses("which does not divide half of 12 columns") { Self.set(&$0, "rope.dimension_count", 12) }
    }

    /// What nobody knows is said, and passed over.
    @Test func unknownMetadata() throws {
        let model = try read { $0.text.values.append(.init("qwen35.ssm.dt_b_c_rms", true)) }
        #expect(model.warnings.contains { $0.contains("'qwen35.ssm.dt_b_c_rms'") }, "\(model.warnings)")
        #expect(try !read().warnings.contains { $0.contains("passed over") })
    }

    /// What says that there are other heads of keys than there are is found by the shapes.
    @Test func otherHeadsOfKeys() throws {
        let model = try read()
        let entry = try #require(
            model.plan.ledger.entries.first { $0.slot.name == "text.block.0.linear_attention.gate.weight" })
        guard case .derived = entry.pieces[0].weight.form else {
            Issue.record("is as stored")
            return
        }
        refuses("has shape") { Self.set(&$0, "ssm.group_count", 4) }
    }

    /// llama-quantize drops extents of 1: the one row of the shared expert's gate is a vector then.
    @Test func theGateAsAVector() throws {
        var twin = try GGUFTwin(of: "qwen3.5-moe/published")
        let place = try #require(
            twin.text.tensors.firstIndex { $0.name == "blk.0.ffn_gate_inp_shexp.weight" })
        #expect(twin.text.tensors[place].extents == [48, 1])
        twin.text.tensors[place].extents = [48]
        let model = try Converter.qwen35.read(twin.write(to: directory.path))
        #expect(model.plan.ledger.entries.contains { $0.sources == ["blk.0.ffn_gate_inp_shexp.weight"] })
    }

    @Test func anotherOrderOfWords() throws {
        refuses("tokenizer.ggml.pre") {
            $0.text[value: "tokenizer.ggml.pre"] = .init("tokenizer.ggml.pre", "qwen3")
        }
    }

    /// An adapter was trained on heads as they are published: it changes the same numbers of a copy.
    @Test func adaptersChangeTheSameNumbers() throws {
        let adapter = directory.file("adapter")
        try makeDirectory(adapter)
        let modules = [("in_proj_z", 80, 48), ("out_proj", 48, 80)]
        let config: JSON = .pairs([
            "peft_type": "LORA", "r": 1, "lora_alpha": 2,
            "target_modules": .array(modules.map { .string($0.0) }),
        ])
        try putFile(Path.join(adapter, "adapter_config.json"), Array(config.serialized().utf8))
        let tensors = modules.flatMap { name, rows, columns in
            [("A", [1, columns]), ("B", [rows, 1])].map { side, shape in
                TestTensor(
                    "base_model.model.model.language_model.layers.0.linear_attn.\(name).lora_\(side).weight",
                    "F32",
                    shape, (0..<shape[0] * shape[1]).flatMap { little(Float(1 + $0 % 13).bitPattern) })
            }
        }
        try writeSafetensors(tensors, to: Path.join(adapter, "adapter_model.safetensors"))
        let options = ImportOptions(adapters: [adapter])
        let copy = try Converter.qwen35.read(
            Self.twin.get().write(to: directory.path), options)
        let folder = try Converter.qwen35.read(Fixtures.path("qwen3.5/published"), options)
        for part in ["gate", "output"] {
            let slot = "text.block.0.linear_attention.\(part).weight"
            #expect(try values(slot, of: copy) == values(slot, of: folder))
        }
    }

    private func values(_ slot: String, of model: ImportedModel) throws -> [UInt8] {
        let entry = try #require(model.plan.ledger.entries.first { $0.slot.name == slot })
        guard case .derived(let derived) = entry.pieces[0].weight.form else {
            Issue.record("\(slot) was not changed")
            return []
        }
        var bytes = [UInt8](repeating: 0, count: derived.shape.count * derived.type.width)
        let read = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(Failure) in
                try derived.readRows(0..<derived.shape.extents[0], into: buffer)
            }
        }
        try read.get()
        return bytes
    }
}
