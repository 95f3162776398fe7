import GraphIR
import Prompts
import Storage

extension Converter {
    /// Qwen2.5-VL.
    public static let qwen25VL = Converter(Qwen25VL.self)
}

/// Qwen2.5-VL (2025): 3B, 7B, 32B, 72B.
///
/// As Qwen2-VL, with RMS norms and gated networks in the tower, most of whose blocks attend within windows of 8×8
/// patches, and with times of video frames in absolute positions (arXiv 2502.13923).
struct Qwen25VL: Generation {
    static let name = "qwen2.5-vl"
    static let family = "Qwen2.5-VL"
    static let modelTypes = ["qwen2_5_vl"]
    static let parts = ["qwen2_5_vl_text": "decoder"]

    private let vision: VisionTower
    private let decoder: Decoder
    /// Positions that a second of a video takes.
    private let tokensPerSecond: Double

    var contextLimit: Int { decoder.contextLimit }
    var extents: [String: Int] { vision.patchExtents }

    init(_ config: SettingsReader) throws(Failure) {
        guard let tower = config.object("vision_config") else { throw config.missing("vision_config") }
        try tower.require("hidden_act", "silu")
        var vision = try VisionTower(
            tower, width: try tower.int("hidden_size"), mlpWidth: try tower.int("intermediate_size"),
            output: try tower.int("out_hidden_size"))
        vision.norm = .rms
        vision.network = .gated(.silu)
        // A window is given in pixels and holds whole tokens.
        let window = try tower.int("window_size")
        let side = window / vision.merge / vision.patch * vision.merge
        let full = try tower.ints("fullatt_block_indexes")
        guard (1...16).contains(side) else { throw tower.invalid("window_size", .int(window)) }
        vision.windows = (side, full)
        try vision.check(file: config.file)
        self.vision = vision
        tokensPerSecond = try tower.real("tokens_per_second")
        decoder = try Decoder(config)
        try Qwen25VL.check(vision, decoder, file: config.file)
    }

    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph {
        var builder = ModelGraphBuilder()
        try vision.add(to: &builder)
        try decoder.add(tied: tied, to: &builder)
        return try builder.finish()
    }

    func makePrompt(_ folder: inout SettingsFolder) throws(Failure) -> PromptSettings {
        let own = PromptConventions(
            positions: .seconds(perSecond: tokensPerSecond), coordinates: .resizedPixels,
            template: "qwen2-vl",
            videos: VideoPreprocessor.qwen2VL)
        return try publishedPrompt(&folder, vision, own)
    }
}
