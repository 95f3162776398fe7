import GraphIR
import Prompts
import Storage

extension Converter {
    /// Qwen3-VL, dense or of experts.
    public static let qwen3VL = Converter(Qwen3VL.self)
}

/// Qwen3-VL (2025): 2B, 4B, 8B, 32B, and with experts 30B-A3B, 235B-A22B.
///
/// A LayerNorm tower with learned positions beside the rotary ones, three of whose blocks hand rows of their own to the
/// decoder's first layers (DeepStack), and a Qwen3 decoder whose position axes take turns over the frequencies
/// (arXiv 2511.21631).
struct Qwen3VL: Generation {
    static let name = "qwen3-vl"
    static let family = "Qwen3-VL"
    static let checkpoint = "Qwen3-VL checkpoint, dense or of experts,"
    static let modelTypes = ["qwen3_vl", "qwen3_vl_moe"]
    static let parts = [
        "qwen3_vl_text": "decoder", "qwen3_vl_moe_text": "decoder", "qwen3_vl_vision": "vision tower",
        "qwen3_vl_moe_vision": "vision tower",
    ]

    private let vision: VisionTower
    private let decoder: Decoder

    var contextLimit: Int { decoder.contextLimit }
    var extents: [String: Int] {
        vision.patchExtents.merging(decoder.experts.map { ["experts": $0.count] } ?? [:]) { $1 }
    }

    init(_ config: SettingsReader) throws(Failure) {
        guard let tower = config.object("vision_config") else { throw config.missing("vision_config") }
        guard let text = config.object("text_config") else { throw config.missing("text_config") }
        try tower.require("hidden_act", "gelu_pytorch_tanh")
        try text.require("attention_bias", false)
        var vision = try VisionTower(
            tower, width: try tower.int("hidden_size"), mlpWidth: try tower.int("intermediate_size"),
            output: try tower.int("out_hidden_size"))
        vision.network = .plain(.geluTanh)
        vision.patchBias = true
        vision.positions = try tower.int("num_position_embeddings")
        let features = try tower.ints("deepstack_visual_indexes")
        vision.features = features
        try vision.check(file: config.file)
        var decoder = try Decoder(config, interleaves: true)
        decoder.attentionBias = false
        decoder.headNorms = true
        decoder.features = features.count
        decoder.experts = try Qwen3VL.experts(config, text)
        guard Set(features).count == features.count, features.count <= decoder.depth else {
            throw tower.invalid("deepstack_visual_indexes", .array(features.map(JSON.int)))
        }
        try Qwen3VL.check(vision, decoder, file: config.file)
        (self.vision, self.decoder) = (vision, decoder)
    }

    private static func experts(
        _ config: SettingsReader, _ text: SettingsReader
    ) throws(Failure) -> Decoder.Experts? {
        guard config["model_type"] == "qwen3_vl_moe" else { return nil }
        // Among the published models every layer has experts.
        try text.require("decoder_sparse_step", 1)
        try text.require("mlp_only_layers", [])
        try text.require("norm_topk_prob", true)
        let experts = Decoder.Experts(
            count: try text.int("num_experts", "num_local_experts"),
            chosen: try text.int("num_experts_per_tok"), width: try text.int("moe_intermediate_size"))
        guard experts.count <= 1 << 16, experts.chosen <= min(experts.count, 64), experts.width <= 1 << 24
        else {
            throw text.invalid("num_experts_per_tok", .int(experts.chosen))
        }
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
            template: "qwen3-vl-instruct",
            videoFrame: .qwen3VL,
            videos: VideoPreprocessor.qwen3VL)
        return try publishedPrompt(&folder, vision, own)
    }
}
