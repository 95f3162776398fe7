import GraphIR
import Prompts
import Storage

extension Converter {
    /// Qwen3.5, Qwen3.6 and Qwen3.8, dense or of experts.
    public static let qwen35 = Converter(Qwen35.self)
}

/// Qwen3.5, Qwen3.6 and Qwen3.8 (2026): 0.8B to 27B, and with experts 35B-A3B and up.
///
/// Qwen3-VL's tower without the rows that it hands to layers, and a decoder in which most blocks mix tokens by a gated delta rule
/// and every fourth by gated attention, a quarter of whose heads' columns are rotated.
struct Qwen35: Generation {
    static let name = "qwen3.5"
    static let family = "Qwen3.5"
    static let checkpoint = "Qwen3.5, 3.6 or 3.8 checkpoint, dense or of experts,"
    static let modelTypes = ["qwen3_5", "qwen3_5_moe"]
    static let parts = [
        "qwen3_5_text": "decoder", "qwen3_5_moe_text": "decoder", "qwen3_5_vision": "vision tower",
        "qwen3_5_moe_vision": "vision tower",
    ]

    private let vision: VisionTower
    private let decoder: Decoder

    var contextLimit: Int { decoder.contextLimit }
    var extents: [String: Int] {
        var extents = vision.patchExtents
        extents["heads"] = decoder.heads
        extents["channels"] = decoder.deltaRule?.channels
        extents["taps"] = decoder.deltaRule?.convolutionWidth
        extents["experts"] = decoder.experts?.count
        return extents
    }

    init(_ config: SettingsReader) throws(Failure) {
        guard let tower = config.object("vision_config") else { throw config.missing("vision_config") }
        guard let text = config.object("text_config") else { throw config.missing("text_config") }
        try tower.require("hidden_act", "gelu_pytorch_tanh")
        try tower.require("deepstack_visual_indexes", [])
        try text.require("attention_bias", false)
        try text.require("attn_output_gate", true)
        try text.require("output_gate_type", "swish")
        try text.require("mamba_ssm_dtype", "float32")
        try text.require("mlp_only_layers", [])
        var vision = try VisionTower(
            tower, width: try tower.int("hidden_size"), mlpWidth: try tower.int("intermediate_size"),
            output: try tower.int("out_hidden_size"))
        vision.network = .plain(.geluTanh)
        vision.patchBias = true
        vision.positions = try tower.int("num_position_embeddings")
        try vision.check(file: config.file)
        let isOfExperts = config["model_type"] == "qwen3_5_moe"
        var decoder = try Decoder(
            config, interleaves: true, rotatesPart: true, isOfExperts: isOfExperts)
        decoder.attentionBias = false
        decoder.headNorms = true
        decoder.gatesAttention = true
        decoder.deltaRule = try Qwen35.deltaRule(text, depth: decoder.depth)
        decoder.experts = isOfExperts ? try Qwen35.experts(text) : nil
        try Qwen35.check(vision, decoder, file: config.file)
        (self.vision, self.decoder) = (vision, decoder)
    }

    private static func deltaRule(_ text: SettingsReader, depth: Int) throws(Failure) -> DeltaRuleLayer {
        let rule = DeltaRuleLayer(
            blocks: try linearBlocks(text, depth: depth), heads: try text.int("linear_num_value_heads"),
            keyHeads: try text.int("linear_num_key_heads"), keyWidth: try text.int("linear_key_head_dim"),
            valueWidth: try text.int("linear_value_head_dim"),
            convolutionWidth: try text.int("linear_conv_kernel_dim"))
        guard rule.isPossible else { throw text.invalid("linear_num_value_heads", .int(rule.heads)) }
        return rule
    }

    /// The blocks with a delta rule: those that `layer_types` names, or all but every so many'th.
    private static func linearBlocks(_ text: SettingsReader, depth: Int) throws(Failure) -> Set<Int> {
        guard let types = text.stated("layer_types") else {
            let interval = try text.int("full_attention_interval")
            return Set((0..<depth).filter { ($0 + 1) % interval != 0 })
        }
        guard let names = types.strings, names.count == depth,
            names.allSatisfy({ $0 == "linear_attention" || $0 == "full_attention" })
        else { throw text.invalid("layer_types", types) }
        return Set(names.indices.filter { names[$0] == "linear_attention" })
    }

    private static func experts(_ text: SettingsReader) throws(Failure) -> Decoder.Experts {
        let experts = Decoder.Experts(
            count: try text.int("num_experts"), chosen: try text.int("num_experts_per_tok"),
            width: try text.int("moe_intermediate_size"),
            sharedWidth: try text.int("shared_expert_intermediate_size"))
        guard experts.isPossible else { throw text.invalid("num_experts_per_tok", .int(experts.chosen)) }
        return experts
    }

    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph {
        var builder = ModelGraphBuilder()
        try vision.add(to: &builder)
        try decoder.add(tied: tied, to: &builder)
        return try builder.finish()
    }

    func makePrompt(_ folder: inout SettingsFolder) throws(Failure) -> PromptSettings {
        let own = PromptConventions(
            images: .qwen3VL, positions: .separateFrames, coordinates: .thousandths,
            template: "qwen3.5", videoFrame: .qwen3VL, videos: VideoPreprocessor.qwen3VL)
        return try publishedPrompt(&folder, vision, own)
    }
}
