import GraphIR
import Prompts
import Storage

extension Converter {
    /// Qwen-VL and Qwen-VL-Chat (2023).
    ///
    /// How pictures are resized makes no difference here: the reference has one way, that of Pillow before 13.
    public static let qwenVL = Converter(QwenVL.self)
}

/// Qwen-VL and Qwen-VL-Chat (2023).
///
/// An OpenCLIP ViT-bigG tower whose patches a layer of cross-attention with learned queries resamples into a fixed number
/// of rows, and a Qwen-7B decoder with dynamic NTK scaling of its rotary positions and log-n scaling of its queries
/// (arXiv 2308.12966).
struct QwenVL: Generation {
    static let name = "qwen-vl"
    static let family = "Qwen-VL"
    static let checkpoint = "Qwen-VL or Qwen-VL-Chat checkpoint (2023)"
    static let modelTypes = ["qwen"]

    private let tower: QueriedTower
    private let depth, width, heads, headWidth, mlpWidth, vocabulary: Int
    let contextLimit: Int
    private let epsilon, theta: Double
    /// Tokens of the longest sequence trained on.
    private let trainedLength: Int
    private let stretches, scalesByLength: Bool

    var extents: [String: Int] { ["width": tower.width, "patch_size": tower.patch, "heads": tower.heads] }

    init(_ config: SettingsReader) throws(Failure) {
        guard let visual = config.object("visual") else {
            throw .badInput(
                config.object("audio") == nil
                    ? "describes a text-only Qwen, without 'visual'"
                    : "describes Qwen-Audio, which has no 'visual'",
                file: config.file, remedy: "give the folder of Qwen-VL or Qwen-VL-Chat")
        }
        tower = try QueriedTower(visual)
        try config.require("no_bias", true)
        try config.require("scale_attn_weights", true)
        guard try config.real("rotary_pct", default: 1) == 1 else {
            throw config.invalid("rotary_pct", config["rotary_pct"] ?? .null)
        }
        depth = try config.int("num_hidden_layers")
        width = try config.int("hidden_size")
        heads = try config.int("num_attention_heads")
        headWidth = try config.int("kv_channels", default: max(1, width / heads))
        // The file counts both halves of the gated network.
        mlpWidth = try config.int("intermediate_size") / 2
        vocabulary = try config.int("vocab_size")
        contextLimit = try config.int("max_position_embeddings", default: 8192)
        epsilon = try config.real("layer_norm_epsilon")
        theta = try config.real("rotary_emb_base", default: 10000)
        trainedLength = try config.int("seq_length")
        stretches = try config.bool("use_dynamic_ntk") ?? false
        scalesByLength = try config.bool("use_logn_attn") ?? false
        guard depth <= 4096, width <= 1 << 20, mlpWidth > 0, mlpWidth <= 1 << 24, vocabulary <= 1 << 24,
            headWidth <= 256, headWidth % 2 == 0, trainedLength > 1, width == tower.output
        else { throw .badInput("has a decoder of impossible extents", file: config.file) }
    }

    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph {
        var builder = ModelGraphBuilder()
        try tower.add(to: &builder)
        try addText(to: &builder)
        let embedding = tied ? "text.embedding.weight" : nil
        try builder.addHead(embedding: embedding, vocabulary: vocabulary, width: width)
        return try builder.finish()
    }

    private func addText(to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("text")
        let tokens = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let visuals = try builder.input("visuals", .rows(.symbol(.visuals), width))
        let visualRows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        let positions = try builder.input("positions", ValueType(.index, [.fixed(1), .symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let rotary = Operation.RotaryTable(
            headDimension: headWidth, theta: theta, layout: .sections([headWidth / 2]),
            trainedLength: stretches ? trainedLength : nil)
        var places = [positions]
        if stretches { places.append(try builder.input("prompt_length", ValueType(.index, [.fixed(1)]))) }
        let embedding = try builder.weight("text.embedding.weight", [vocabulary, width])
        let embedded = try builder.add(.embedding(.init(embedding, Role("text.embedding"))), tokens)
        var x = try builder.add(.scatterRows, embedded, visuals, visualRows, name: "inputs")
        let table = try builder.add(.rotaryTable(rotary), operands: places)
        for block in 0..<depth { x = try addBlock(block, x, table, positions, to: &builder) }
        let selected = try builder.add(.selectRows, x, outputs)
        try builder.output(
            try builder.norm(.rms, selected, "text.norm", width, epsilon: epsilon, name: "norm"))
    }

    private func addBlock(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, _ positions: Graph.ValueID,
        to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, inner) = ("text.block.\(block)", heads * headWidth)
        let norm1 = try builder.norm(.rms, x, "\(name).norm1", width, epsilon: epsilon)
        let qkv = try builder.linear(
            norm1, "\(name).attention.qkv", "text.attention.qkv", [3 * inner, width], block: block)
        var q = try builder.add(
            .rotary(heads: heads, headDimension: headWidth),
            try builder.add(.columns(0..<inner), qkv), table)
        if scalesByLength { q = try builder.add(.lengthScale(trainedLength), q, positions) }
        let k = try builder.add(
            .rotary(heads: heads, headDimension: headWidth),
            try builder.add(.columns(inner..<2 * inner), qkv), table)
        let v = try builder.add(.columns(2 * inner..<3 * inner), qkv)
        let attended = try builder.add(
            .attention(
                .init(heads: heads, keyHeads: heads, headDimension: headWidth, extent: .causal(layer: block))),
            q, k, v)
        let attention = try builder.linear(
            attended, "\(name).attention.output", "text.attention.output", [width, inner], bias: false,
            block: block, name: "block.\(block).attention")
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(.rms, middle, "\(name).norm2", width, epsilon: epsilon)
        let gate = try builder.linear(
            norm2, "\(name).mlp.gate", "text.mlp.gate", [mlpWidth, width], bias: false, block: block)
        let up = try builder.linear(
            norm2, "\(name).mlp.up", "text.mlp.up", [mlpWidth, width], bias: false, block: block)
        let product = try builder.add(.gatedProduct(.silu), gate, up)
        let down = try builder.linear(
            product, "\(name).mlp.down", "text.mlp.down", [width, mlpWidth], bias: false, block: block,
            name: "block.\(block).mlp")
        return try builder.add(.add, middle, down, name: "block.\(block)")
    }

    func makePrompt(_ folder: inout SettingsFolder) throws(Failure) -> PromptSettings {
        guard let visual = folder.config.object("visual") else { throw folder.config.missing("visual") }
        let special = try SpecialTokens(visual)
        let isChat = try isChat(folder.source, warnings: &folder.warnings)
        return PromptSettings(
            template: try ChatTemplate.of(
                try folder.source.template(), given: folder.options.chatTemplate,
                own: isChat ? "qwen-vl-chat" : "qwen-vl"),
            images: .qwenVL(side: tower.imageSize, patchSize: tower.patch, tokens: tower.queries),
            positions: PositionRule(.sequential, mergeSize: 1), imageToken: special.filler, videoToken: nil,
            stopTokens: isChat ? [special.turnEnd, special.turnStart, special.textEnd] : [special.textEnd],
            coordinates: .thousandths)
    }

    /// Whether the checkpoint was trained to chat: the only file that differs says so.
    private func isChat(_ source: any ModelSource, warnings: inout [String]) throws(Failure) -> Bool {
        let settings = try source.generationSettings()
        switch settings?["chat_format"]?.string {
        case "chatml": return true
        case "raw": return false
        case nil:
            warnings.append("the checkpoint does not say whether it can chat; it is taken for Qwen-VL-Chat")
            return true
        case let format?:
            throw .badInput("has the unknown 'chat_format' \(format)", file: settings?.file)
        }
    }
}

/// The tokens that follow the vocabulary: `<|endoftext|>`, `<|im_start|>`, `<|im_end|>`, 211 others, then `<img>`, `</img>`
/// and `<imgpad>`. The configuration gives the number of `<img>` alone.
private struct SpecialTokens {
    let textEnd, turnStart, turnEnd, filler: Int32

    init(_ visual: SettingsReader) throws(Failure) {
        let picture = try visual.token("image_start_id")
        guard (214..<Int32.max - 2).contains(picture) else {
            throw visual.invalid("image_start_id", .int(Int(picture)))
        }
        (textEnd, turnStart, turnEnd) = (picture - 214, picture - 213, picture - 212)
        filler = picture + 2
    }
}
