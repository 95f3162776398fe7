import GraphIR
import Storage

extension Qwen2VL {
    /// The `vision`, `text` and `head` graphs.
    func makeGraph() throws(Failure) -> ModelGraph {
        var builder = ModelGraphBuilder()
        try addVision(to: &builder)
        try addText(to: &builder)
        return try builder.finish()
    }

    private func addVision(to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("vision")
        let patches = try builder.input("patches", .rows(.symbol(.patches), vision.patchWidth))
        let coordinates = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        let segments = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        let table = try builder.add(
            .rotaryTable(.init(headDimension: vision.headWidth, theta: 10000, layout: .axial(axes: 2))),
            coordinates)
        var x = try builder.linear(
            patches, "vision.patch_embed", "vision.patch_embed", [vision.width, vision.patchWidth],
            bias: false,
            name: "patch_embed")
        for block in 0..<vision.depth {
            x = try addVisionBlock(block, x, table, segments, to: &builder)
        }
        let norm = try builder.norm(.layer, x, "vision.merger.norm", vision.width, epsilon: 1e-6)
        let merged = try builder.add(.mergeRows(vision.merge * vision.merge), norm)
        let width = vision.width * vision.merge * vision.merge
        let up = try builder.linear(merged, "vision.merger.up", "vision.merger.up", [width, width])
        let active = try builder.add(.activation(.gelu), up)
        let out = try builder.linear(
            active, "vision.merger.down", "vision.merger.down", [vision.output, width], name: "out")
        try builder.output(out)
    }

    private func addVisionBlock(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, _ segments: Graph.ValueID,
        to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, width, heads, head) = (
            "vision.block.\(block)", vision.width, vision.heads, vision.headWidth
        )
        let norm1 = try builder.norm(.layer, x, "\(name).norm1", width, epsilon: 1e-6)
        let qkv = try builder.linear(
            norm1, "\(name).attention.qkv", "vision.attention.qkv", [3 * width, width], block: block)
        let q = try builder.add(.columns(0..<width), qkv)
        let k = try builder.add(.columns(width..<2 * width), qkv)
        let v = try builder.add(.columns(2 * width..<3 * width), qkv)
        let attended = try builder.add(
            .attention(.init(heads: heads, keyHeads: heads, headDimension: head, extent: .segments)),
            try builder.add(.rotary(heads: heads, headDimension: head), q, table),
            try builder.add(.rotary(heads: heads, headDimension: head), k, table), v, segments)
        let attention = try builder.linear(
            attended, "\(name).attention.output", "vision.attention.output", [width, width], block: block,
            name: "block.\(block).attention")
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(.layer, middle, "\(name).norm2", width, epsilon: 1e-6)
        let up = try builder.linear(
            norm2, "\(name).mlp.up", "vision.mlp.up", [vision.mlpWidth, width], block: block)
        let active = try builder.add(.activation(.quickGELU), up)
        let mlp = try builder.linear(
            active, "\(name).mlp.down", "vision.mlp.down", [width, vision.mlpWidth], block: block,
            name: "block.\(block).mlp")
        return try builder.add(.add, middle, mlp, name: "block.\(block)")
    }

    private func addText(to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("text")
        let tokens = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let visuals = try builder.input("visuals", .rows(.symbol(.visuals), text.width))
        let visualRows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        let positions = try builder.input("positions", ValueType(.index, [.fixed(3), .symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let embedding = try builder.weight("text.embedding.weight", [text.vocabulary, text.width])
        let embedded = try builder.add(.embedding(.init(embedding, Role("text.embedding"))), tokens)
        var x = try builder.add(.scatterRows, embedded, visuals, visualRows, name: "inputs")
        let table = try builder.add(
            .rotaryTable(
                .init(headDimension: text.headWidth, theta: text.theta, layout: .sections(text.sections))),
            positions)
        for block in 0..<text.depth { x = try addTextBlock(block, x, table, to: &builder) }
        let selected = try builder.add(.selectRows, x, outputs)
        try builder.output(
            try builder.norm(.rms, selected, "text.norm", text.width, epsilon: text.epsilon, name: "norm"))

        try builder.begin("head")
        let hidden = try builder.input("hidden", .rows(.symbol(.outputs), text.width))
        let head =
            text.tied ? embedding : try builder.weight("text.head.weight", [text.vocabulary, text.width])
        try builder.output(
            try builder.add(.linear(.init(head, Role("text.head")), bias: nil), hidden, name: "logits"))
    }

    private func addTextBlock(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, width, head) = ("text.block.\(block)", text.width, text.headWidth)
        let (queries, keys) = (text.heads * head, text.keyHeads * head)
        let norm1 = try builder.norm(.rms, x, "\(name).norm1", width, epsilon: text.epsilon)
        let q = try builder.linear(
            norm1, "\(name).attention.q", "text.attention.q", [queries, width], block: block)
        let k = try builder.linear(
            norm1, "\(name).attention.k", "text.attention.k", [keys, width], block: block)
        let v = try builder.linear(
            norm1, "\(name).attention.v", "text.attention.v", [keys, width], block: block)
        let attended = try builder.add(
            .attention(
                .init(
                    heads: text.heads, keyHeads: text.keyHeads, headDimension: head,
                    extent: .causal(layer: block))),
            try builder.add(.rotary(heads: text.heads, headDimension: head), q, table),
            try builder.add(.rotary(heads: text.keyHeads, headDimension: head), k, table), v)
        let attention = try builder.linear(
            attended, "\(name).attention.output", "text.attention.output", [width, queries], bias: false,
            block: block, name: "block.\(block).attention")
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(.rms, middle, "\(name).norm2", width, epsilon: text.epsilon)
        let mlp = (text.mlpWidth, width)
        let gate = try builder.linear(
            norm2, "\(name).mlp.gate", "text.mlp.gate", [mlp.0, mlp.1], bias: false, block: block)
        let up = try builder.linear(
            norm2, "\(name).mlp.up", "text.mlp.up", [mlp.0, mlp.1], bias: false, block: block)
        let product = try builder.add(.gatedProduct(.silu), gate, up)
        let down = try builder.linear(
            product, "\(name).mlp.down", "text.mlp.down", [mlp.1, mlp.0], bias: false, block: block,
            name: "block.\(block).mlp")
        return try builder.add(.add, middle, down, name: "block.\(block)")
    }
}
