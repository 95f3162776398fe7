import GraphIR
import Storage

/// Qwen2-VL (2024): 2B, 7B, 72B.
///
/// A LayerNorm vision tower with axial rotary positions and quick GELU, a 2×2 patch merger, and a Qwen2 decoder with
/// multimodal rotary positions in contiguous sections (arXiv 2409.12191).
struct Qwen2VL {
    /// The vision tower.
    struct Vision {
        let depth, width, heads, mlpWidth, channels, patch, temporalPatch, merge, output: Int

        var headWidth: Int { width / heads }
        var patchWidth: Int { channels * temporalPatch * patch * patch }
    }

    /// The decoder.
    struct Text {
        let depth, width, heads, keyHeads, headWidth, mlpWidth, vocabulary, contextLimit: Int
        let epsilon, theta: Double
        let sections: [Int]
        let tied: Bool
    }

    let vision: Vision
    let text: Text

    /// Reads the published flat form, the nested form of later saves, and the mixtures between them.
    init(_ config: ConfigReader) throws(Failure) {
        let text = config.object("text_config") ?? config
        guard let vision = config.object("vision_config") else { throw config.missing("vision_config") }
        self.vision = try Vision(vision)
        self.text = try Text(text, root: config)
        guard self.vision.output == self.text.width else {
            throw .badInput(
                "the vision tower gives \(self.vision.output) columns, but the decoder takes \(self.text.width)",
                file: config.file)
        }
    }
}

extension Qwen2VL.Vision {
    init(_ config: ConfigReader) throws(Failure) {
        try config.require("hidden_act", "quick_gelu")
        width = try config.int("embed_dim")
        heads = try config.int("num_heads")
        // The published ratio is an integer; a fraction would not give whole columns.
        let ratio = try config.int("mlp_ratio", default: 4)
        guard width <= 1 << 20, ratio <= 1 << 10 else { throw config.invalid("mlp_ratio", .int(ratio)) }
        mlpWidth = width * ratio
        depth = try config.int("depth")
        channels = try config.int("in_channels", "in_chans", default: 3)
        patch = try config.int("patch_size", default: 14)
        temporalPatch = try config.int("temporal_patch_size", default: 2)
        merge = try config.int("spatial_merge_size", default: 2)
        // In this generation `hidden_size` is the width that leaves the tower, `embed_dim` the width within.
        output = try config.int("hidden_size")
        guard depth <= 4096, width <= 1 << 20, width % heads == 0, headWidth % 4 == 0, headWidth <= 256,
            channels == 3, patch <= 256, temporalPatch <= 16, (2...16).contains(merge)
        else { throw .badInput("has a vision tower of impossible extents", file: config.file) }
    }
}

extension Qwen2VL.Text {
    init(_ config: ConfigReader, root: ConfigReader) throws(Failure) {
        try config.require("hidden_act", "silu")
        try config.require("use_sliding_window", false)
        depth = try config.int("num_hidden_layers")
        width = try config.int("hidden_size")
        heads = try config.int("num_attention_heads")
        keyHeads = try config.int("num_key_value_heads", default: heads)
        headWidth = try config.int("head_dim", default: max(1, width / heads))
        mlpWidth = try config.int("intermediate_size")
        vocabulary = try config.int("vocab_size")
        contextLimit = try config.int("max_position_embeddings", default: 32768)
        epsilon = try config.real("rms_norm_eps")
        guard let rope = config.object("rope_parameters") ?? config.object("rope_scaling") else {
            throw config.missing("rope_scaling")
        }
        let kind = rope.json["rope_type"]?.string ?? rope.json["type"]?.string ?? "default"
        guard kind == "default" || kind == "mrope" else {
            throw .badInput("'rope_scaling' is of type '\(kind)', which is not supported", file: config.file)
        }
        theta = try rope.real("rope_theta", default: try config.real("rope_theta", default: 1e6))
        guard let sections = rope.json["mrope_section"]?.ints else { throw rope.missing("mrope_section") }
        self.sections = sections
        // The root decides; some saves carry the key in `text_config` alone.
        tied = root.json["tie_word_embeddings"]?.bool ?? config.json["tie_word_embeddings"]?.bool ?? false
        guard depth <= 4096, width <= 1 << 20, mlpWidth <= 1 << 24, vocabulary <= 1 << 24, headWidth <= 256,
            keyHeads <= heads, heads % keyHeads == 0, sections.count == 3
        else { throw .badInput("has a decoder of impossible extents", file: config.file) }
    }
}
