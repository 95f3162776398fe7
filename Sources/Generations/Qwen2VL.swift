import GraphIR
import Prompts
import Storage

extension Converter {
    /// Qwen2-VL.
    public static let qwen2VL = Converter(Qwen2VL.self)
}

/// Qwen2-VL (2024): 2B, 7B, 72B.
///
/// A LayerNorm vision tower with axial rotary positions and quick GELU, a 2×2 patch merger, and a Qwen2 decoder with
/// multimodal rotary positions in contiguous sections (arXiv 2409.12191).
struct Qwen2VL: Generation {
    static let name = "qwen2-vl"
    static let family = "Qwen2-VL"
    static let modelTypes = ["qwen2_vl"]
    static let parts = ["qwen2_vl_text": "decoder"]

    private let vision: VisionTower
    private let decoder: Decoder

    var contextLimit: Int { decoder.contextLimit }
    var extents: [String: Int] { vision.patchExtents }

    init(_ config: SettingsReader) throws(Failure) {
        guard let tower = config.object("vision_config") else { throw config.missing("vision_config") }
        try tower.require("hidden_act", "quick_gelu")
        let width = try tower.int("embed_dim")
        // The published ratio is an integer; a fraction would not give whole columns.
        let ratio = try tower.int("mlp_ratio")
        guard width <= 1 << 20, ratio <= 1 << 10 else { throw tower.invalid("mlp_ratio", .int(ratio)) }
        // In this generation `hidden_size` is the width that leaves the tower, `embed_dim` the width within.
        vision = try VisionTower(
            tower, width: width, mlpWidth: width * ratio, output: try tower.int("hidden_size"))
        try vision.check(file: config.file)
        decoder = try Decoder(config)
        try Qwen2VL.check(vision, decoder, file: config.file)
    }

    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph {
        var builder = ModelGraphBuilder()
        try vision.add(to: &builder)
        try decoder.add(tied: tied, to: &builder)
        return try builder.finish()
    }

    func makePrompt(_ folder: inout SettingsFolder) throws(Failure) -> PromptSettings {
        let own = PromptConventions(
            positions: .frame, coordinates: .thousandths, template: "qwen2-vl",
            videos: VideoPreprocessor.qwen2VL)
        return try publishedPrompt(&folder, vision, own)
    }
}
