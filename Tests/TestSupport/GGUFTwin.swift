public import Storage

/// A fixture's checkpoint as llama.cpp's converter writes it: two GGUF files.
///
/// Names and transformations are written down here once more, as `conversion/qwen.py`, `qwenvl.py` and `qwen3vl.py` of llama.cpp
/// have them, so that the tests do not lean on the table that they test.
public struct GGUFTwin: Sendable {
    /// The text part.
    public var text: GGUFBytes
    /// The vision part.
    public var vision: GGUFBytes

    /// The types that matrices may have; vectors are F32 as the converter wants it.
    public enum Matrices: UInt32, CaseIterable, Sendable {
        case float32 = 0
        case float16 = 1
        case bfloat16 = 30
    }

    /// Makes the twin of a folder below `Tests/Fixtures`, whose tensors are bfloat16.
    public init(of fixture: String, _ matrices: Matrices = .bfloat16) throws(Failure) {
        let folder = Fixtures.path(fixture)
        let config = try JSON(file: Path.join(folder, "config.json"))
        var tensors: [TestTensor] = []
        for name in try Path.list(folder).sorted() where name.hasSuffix(".safetensors") {
            tensors += try readSafetensors(Path.join(folder, name))
        }
        let model = TwinModel(config, matrices)
        let converted = tensors.flatMap(model.tensors)
        func isVision(_ name: String) -> Bool { name.hasPrefix("v.") || name.hasPrefix("mm.") }
        let list = try TwinTokens(folder, config, isHybrid: model.isHybrid)
        text = GGUFBytes(model.textValues + list.values, converted.filter { !isVision($0.name) })
        vision = GGUFBytes(model.visionValues, converted.filter { isVision($0.name) })
        let template = Path.join(folder, "chat_template.json")
        if Path.exists(template), let program = try JSON(file: template)["chat_template"]?.string {
            text.values.append(.init("tokenizer.chat_template", program))
        }
    }

    /// Writes both files.
    /// - Returns: the path of the text part.
    @discardableResult
    public func write(to directory: String, text name: String = "text.gguf") throws(Failure) -> String {
        try putFile(Path.join(directory, "mmproj.gguf"), vision.bytes)
        try putFile(Path.join(directory, name), text.bytes)
        return Path.join(directory, name)
    }
}

/// What the converter makes of a configuration and of tensors.
private struct TwinModel {
    let config, decoder, tower: JSON
    let matrices: GGUFTwin.Matrices

    init(_ config: JSON, _ matrices: GGUFTwin.Matrices) {
        (self.config, self.matrices) = (config, matrices)
        decoder = config["text_config"] ?? config
        tower = config["vision_config"] ?? .null
    }

    private var type: String { config["model_type"]?.string ?? "" }
    private var architecture: String {
        let names = [
            "qwen3_vl": "qwen3vl", "qwen3_vl_moe": "qwen3vlmoe", "qwen3_5": "qwen35",
            "qwen3_5_moe": "qwen35moe",
        ]
        return names[type] ?? "qwen2vl"
    }
    var isHybrid: Bool { architecture.hasPrefix("qwen35") }
    private var rope: JSON { decoder["rope_parameters"] ?? decoder["rope_scaling"] ?? .null }
    private var features: [Int] { tower["deepstack_visual_indexes"]?.ints ?? [] }

    private func number(_ json: JSON, _ key: String) -> UInt32 { UInt32(json[key]?.int ?? 0) }

    private func real(_ json: JSON, _ key: String) -> Float { Float(json[key]?.double ?? 0) }

    var textValues: [GGUFBytes.Value] {
        let sections = (rope["mrope_section"]?.ints ?? []) + [0]
        let pairs = [
            ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
            ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
            ("attention.head_count", "num_attention_heads"),
            ("attention.head_count_kv", "num_key_value_heads"),
            ("attention.key_length", "head_dim"), ("attention.value_length", "head_dim"),
            ("expert_count", "num_experts"), ("expert_used_count", "num_experts_per_tok"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
        ]
        var values: [GGUFBytes.Value] = [
            .init("general.architecture", architecture), .init("general.type", "model"),
            .init("general.name", "Twin"), .init("general.file_type", UInt32(32)),
            .init("general.sampling.temp", real: 0.7), .init("general.sampling.top_k", UInt32(20)),
            .init("\(architecture).attention.layer_norm_rms_epsilon", real: real(decoder, "rms_norm_eps")),
            .init("\(architecture).rope.freq_base", real: real(isHybrid ? rope : decoder, "rope_theta")),
            .init("\(architecture).rope.dimension_sections", sections.map(Int32.init)),
        ]
        for (key, name) in pairs where decoder[name] != nil {
            values.append(.init("\(architecture).\(key)", number(decoder, name)))
        }
        if isHybrid {
            values.removeAll { $0.name.hasSuffix(".block_count") }
            values += TwinHybrid(decoder).values(architecture)
        } else if architecture != "qwen2vl" {
            values.append(.init("\(architecture).n_deepstack_layers", UInt32(features.count)))
        }
        return values
    }

    var visionValues: [GGUFBytes.Value] {
        let isFirst = type == "qwen2_vl"
        let (mean, deviation): ([Float], [Float]) =
            type.hasPrefix("qwen3")
            ? ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
            : ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
        var values: [GGUFBytes.Value] = [
            .init("general.architecture", "clip"), .init("general.type", "mmproj"),
            .init("clip.has_vision_encoder", true), .init("clip.vision.image_size", UInt32(560)),
            .init("clip.vision.patch_size", number(tower, "patch_size")),
            .init("clip.vision.embedding_length", number(tower, isFirst ? "embed_dim" : "hidden_size")),
            .init(
                "clip.vision.feed_forward_length",
                number(tower, isFirst ? "hidden_size" : "intermediate_size")),
            .init("clip.vision.projection_dim", number(decoder, "hidden_size")),
            .init("clip.vision.block_count", number(tower, "depth")),
            .init("clip.vision.attention.head_count", number(tower, "num_heads")),
            .init("clip.vision.attention.layer_norm_epsilon", real: real(decoder, "rms_norm_eps")),
            .init("clip.vision.image_mean", reals: mean), .init("clip.vision.image_std", reals: deviation),
        ]
        switch type {
        case "qwen2_vl": values.append(.init("clip.projector_type", "qwen2vl_merger"))
        case "qwen2_5_vl":
            let first = UInt32(tower["fullatt_block_indexes"]?.ints?.first ?? 0)
            values += [
                .init("clip.projector_type", "qwen2.5vl_merger"), .init("clip.use_silu", true),
                .init("clip.vision.n_wa_pattern", first + 1),
            ]
        default:
            let flags = (0..<Int(number(tower, "depth"))).map(features.contains)
            values += [
                .init("clip.projector_type", "qwen3vl_merger"), .init("clip.use_gelu", true),
                .init("clip.vision.spatial_merge_size", number(tower, "spatial_merge_size")),
                .init("clip.vision.is_deepstack_layers", flags),
            ]
        }
        return values
    }

    /// The tensors that one of the checkpoint becomes.
    func tensors(_ tensor: TestTensor) -> [GGUFBytes.Tensor] {
        let published = TwinMatrix(tensor)
        let matrix = isHybrid ? TwinHybrid(decoder).stored(tensor.name, published) : published
        let name = renamed(tensor.name)
        if name.hasSuffix("patch_embd.weight") {
            return [(name, 0), (name + ".1", 1)].map { part($0, matrix.frame($1)) }
        }
        if name.contains(".attn_qkv."), !type.hasPrefix("qwen3") {
            return ["q", "k", "v"].enumerated().map { index, letter in
                part(name.replacing("attn_qkv", with: "attn_\(letter)"), matrix.rows(index, of: 3))
            }
        }
        if name.hasSuffix("gate_up_proj") {
            let turned = isHybrid ? matrix : matrix.turned
            return ["gate", "up"].enumerated().map { index, half in
                let own = name.replacing("mlp.experts.gate_up_proj", with: "ffn_\(half)_exps.weight")
                return part(own, turned.expertRows(index, of: 2))
            }
        }
        if name.hasSuffix("down_proj") {
            let own = name.replacing("mlp.experts.down_proj", with: "ffn_down_exps.weight")
            return [part(own, isHybrid ? matrix : matrix.turned)]
        }
        return [part(name, matrix)]
    }

    private func part(_ name: String, _ matrix: TwinMatrix) -> GGUFBytes.Tensor {
        let type = matrix.shape.count > 1 && !name.contains("conv1d") ? matrices : .float32
        let bytes =
            switch type {
            case .float32: matrix.values.flatMap { little($0.bitPattern) }
            case .float16: matrix.values.flatMap { little(Float16($0).bitPattern) }
            case .bfloat16: matrix.values.flatMap { little(UInt16($0.bitPattern >> 16)) }
            }
        return GGUFBytes.Tensor(name, matrix.shape.reversed().map(UInt64.init), type: type.rawValue, bytes)
    }

    private func renamed(_ published: String) -> String {
        var name = isHybrid ? TwinHybrid(decoder).renamed(published) : published
        let words = [
            ("model.language_model.", "model."), ("model.visual.", "visual."), ("lm_head.", "output."),
            ("model.embed_tokens.", "token_embd."), ("model.norm.", "output_norm."),
            ("model.layers.", "blk."),
            ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm"),
            ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"), ("mlp.gate.weight", "ffn_gate_inp.weight"),
            ("visual.blocks.", "v.blk."), ("visual.patch_embed.proj", "v.patch_embd"),
            ("visual.pos_embed", "v.position_embd"), ("attn.qkv", "attn_qkv"), ("attn.proj", "attn_out"),
            (".norm1", ".ln1"), (".norm2", ".ln2"), ("mlp.fc1", "ffn_up"), ("mlp.fc2", "ffn_down"),
            ("mlp.linear_fc1", "ffn_up"), ("mlp.linear_fc2", "ffn_down"), ("visual.merger.ln_q", "v.post_ln"),
            ("visual.merger.norm", "v.post_ln"), ("visual.merger.mlp.", "mm."),
            ("visual.merger.linear_fc1", "mm.0"), ("visual.merger.linear_fc2", "mm.2"),
        ]
        for (from, to) in words { name = name.replacing(from, with: to) }
        for (index, block) in features.enumerated() {
            name = name.replacing("visual.deepstack_merger_list.\(index).", with: "v.deepstack.\(block).")
        }
        return name.hasPrefix("v.deepstack.") ? name.replacing("linear_fc", with: "fc") : name
    }
}

/// The lists of a tokenizer: those of tokenizer.json or, where there is none, a token for each of the first bytes.
private struct TwinTokens {
    private var tokens: [String]
    private var types: [Int32]
    private var merges: [String] = []
    private let end: UInt32

    private let words: String

    init(_ folder: String, _ config: JSON, isHybrid: Bool) throws(Failure) {
        words = isHybrid ? "qwen35" : "qwen2"
        let decoder = config["text_config"] ?? config
        let count = decoder["vocab_size"]?.int ?? 0
        tokens = (0..<count).map { "[PAD\($0)]" }
        types = [Int32](repeating: 5, count: count)
        end = UInt32(decoder["eos_token_id"]?.int ?? 0)
        let file = Path.join(folder, "tokenizer.json")
        guard Path.exists(file) else {
            let image = config["image_token_id"]?.int ?? 0
            for byte in 0..<min(image, 128) { set(byte, Self.entry(of: byte), 1) }
            for (offset, name) in ["image_pad", "video_pad"].enumerated() {
                set(image + offset, "<|\(name)|>", 3)
            }
            for (key, name) in [
                ("vision_start_token_id", "vision_start"), ("vision_end_token_id", "vision_end"),
            ] { set(config[key]?.int ?? 0, "<|\(name)|>", 3) }
            set(Int(end), "<|im_end|>", 3)
            set(Int(end) + 1, "<|im_start|>", 3)
            return
        }
        let json = try JSON(file: file)
        for member in json["model"]?["vocab"]?.members ?? [] { set(member.value.int ?? 0, member.key, 1) }
        for added in json["added_tokens"]?.array ?? [] {
            set(added["id"]?.int ?? 0, added["content"]?.string ?? "", added["special"] == true ? 3 : 4)
        }
        merges = (json["model"]?["merges"]?.array ?? []).map {
            $0.string ?? ($0.strings ?? []).joined(separator: " ")
        }
    }

    private mutating func set(_ id: Int, _ token: String, _ type: Int32) {
        (tokens[id], types[id]) = (token, type)
    }

    /// The character that a byte below 128 is written as.
    private static func entry(of byte: Int) -> String {
        let value = byte < 33 ? 0x100 + byte : byte == 127 ? 0x121 : byte
        return Unicode.Scalar(UInt32(value)).map { String(Character($0)) } ?? ""
    }

    var values: [GGUFBytes.Value] {
        [
            .init("tokenizer.ggml.model", "gpt2"), .init("tokenizer.ggml.pre", words),
            .init("tokenizer.ggml.tokens", tokens), .init("tokenizer.ggml.token_type", types),
            .init("tokenizer.ggml.merges", merges), .init("tokenizer.ggml.eos_token_id", end),
            .init("tokenizer.ggml.add_bos_token", false),
        ]
    }
}
