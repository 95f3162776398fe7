import GraphIR
import Storage

/// A decoder of the Qwen2 and Qwen3 kind: grouped queries, multimodal rotary positions, gated networks.
struct Decoder {
    /// A network of which each token uses a few parts.
    struct Experts {
        let count, chosen, width: Int
    }

    let depth, width, heads, keyHeads, headWidth, mlpWidth, vocabulary, contextLimit: Int
    let epsilon, theta: Double
    let sections: [Int]
    let isInterleaved: Bool
    /// Whether queries, keys and values have biases.
    var attentionBias = true
    /// Whether each head of queries and keys is normalised.
    var headNorms = false
    /// Instead of one network of `mlpWidth`.
    var experts: Experts?
    /// How many first layers have rows of their own added at visual tokens.
    var features = 0

    /// Reads the published flat form, the nested form of later saves, and the mixtures between them.
    /// - Parameter interleaves: whether the axes of positions take turns even where the file does not say so.
    init(_ root: SettingsReader, interleaves: Bool = false) throws(Failure) {
        let config = root.object("text_config") ?? root
        try config.require("hidden_act", "silu")
        depth = try config.int("num_hidden_layers")
        // A window is there only with a width, and only behind the first `max_window_layers` layers.
        if try config.bool("use_sliding_window") == true, config["sliding_window"] != nil,
            try config.int("max_window_layers", default: depth) < depth
        {
            throw .badInput(
                "'\(config.path)use_sliding_window' is on, which is not supported", file: config.file)
        }
        width = try config.int("hidden_size")
        heads = try config.int("num_attention_heads")
        keyHeads = try config.int("num_key_value_heads")
        headWidth = try config.int("head_dim", default: max(1, width / heads))
        mlpWidth = try config.int("intermediate_size")
        vocabulary = try config.int("vocab_size")
        contextLimit = try config.int("max_position_embeddings")
        epsilon = try config.real("rms_norm_eps")
        let rotary = try RotarySettings(config, in: root)
        (theta, sections) = (rotary.theta, rotary.sections)
        isInterleaved = interleaves || rotary.isInterleaved
        guard depth <= 4096, width <= 1 << 20, mlpWidth <= 1 << 24, vocabulary <= 1 << 24, headWidth <= 256,
            keyHeads <= heads, heads % keyHeads == 0
        else { throw .badInput("has a decoder of impossible extents", file: config.file) }
        guard sections.count == 3, sections.allSatisfy({ (0...headWidth).contains($0) }),
            2 * sections.reduce(0, +) == headWidth
        else {
            throw .badInput(
                "'mrope_section' is \(sections), which does not divide half of a head of \(headWidth)",
                file: config.file)
        }
    }

    /// Adds the graphs `text` and `head`; a tied head is the embedding.
    func add(tied: Bool, to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("text")
        let tokens = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let visuals = try builder.input("visuals", .rows(.symbol(.visuals), (1 + features) * width))
        let visualRows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        let positions = try builder.input("positions", ValueType(.index, [.fixed(3), .symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let embedding = try builder.weight("text.embedding.weight", [vocabulary, width])
        let embedded = try builder.add(.embedding(.init(.init(embedding, Role("text.embedding")))), tokens)
        let rows = features > 0 ? try builder.add(.columns(.init(0..<width)), visuals) : visuals
        var x = try builder.add(.scatterRows, embedded, rows, visualRows, name: "inputs")
        let table = try builder.add(
            .rotaryTable(
                .init(
                    headDimension: headWidth, theta: theta,
                    layout: isInterleaved ? .interleaved(sections) : .sections(sections))), positions)
        for block in 0..<depth {
            x = try addBlock(block, x, table, to: &builder)
            if block < features {
                let rows = try builder.add(
                    .columns(.init((block + 1) * width..<(block + 2) * width)), visuals)
                x = try builder.add(.addRows, x, rows, visualRows)
            }
        }
        let selected = try builder.add(.selectRows, x, outputs)
        try builder.output(
            try builder.norm(.rms, selected, "text.norm", width, epsilon: epsilon, name: "norm"))
        try builder.addHead(embedding: tied ? embedding : nil, vocabulary: vocabulary, width: width)
    }

    private func addBlock(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "text.block.\(block)"
        let norm1 = try builder.norm(.rms, x, "\(name).norm1", width, epsilon: epsilon)
        let attention = try addAttention(block, norm1, table, to: &builder)
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(.rms, middle, "\(name).norm2", width, epsilon: epsilon)
        let mlp =
            if let experts {
                try addExperts(experts, block, norm2, to: &builder)
            } else {
                try addNetwork(block, norm2, to: &builder)
            }
        return try builder.add(.add, middle, mlp, name: "block.\(block)")
    }

    private func addAttention(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "text.block.\(block).attention"
        func project(_ part: String, _ heads: Int) throws(Failure) -> Graph.ValueID {
            try builder.linear(
                x, "\(name).\(part)", "text.attention.\(part)", [heads * headWidth, width],
                bias: attentionBias,
                block: block)
        }
        var (q, k) = (try project("q", heads), try project("k", keyHeads))
        let v = try project("v", keyHeads)
        if headNorms {
            q = try builder.headNorm(q, "\(name).q_norm", heads: heads, headWidth, epsilon: epsilon)
            k = try builder.headNorm(k, "\(name).k_norm", heads: keyHeads, headWidth, epsilon: epsilon)
        }
        let attended = try builder.add(
            .attention(
                .init(
                    heads: heads, keyHeads: keyHeads, headDimension: headWidth, extent: .causal(layer: block))
            ),
            try builder.add(.rotary(.init(heads: heads, headDimension: headWidth)), q, table),
            try builder.add(.rotary(.init(heads: keyHeads, headDimension: headWidth)), k, table), v)
        return try builder.linear(
            attended, "\(name).output", "text.attention.output", [width, heads * headWidth], bias: false,
            block: block, name: "block.\(block).attention")
    }

    private func addNetwork(
        _ block: Int, _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "text.block.\(block).mlp"
        let gate = try builder.linear(
            x, "\(name).gate", "text.mlp.gate", [mlpWidth, width], bias: false, block: block)
        let up = try builder.linear(
            x, "\(name).up", "text.mlp.up", [mlpWidth, width], bias: false, block: block)
        let product = try builder.add(.gatedProduct(.init(.silu)), gate, up)
        return try builder.linear(
            product, "\(name).down", "text.mlp.down", [width, mlpWidth], bias: false, block: block,
            name: "block.\(block).mlp")
    }

    private func addExperts(
        _ experts: Experts, _ block: Int, _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "text.block.\(block)"
        let scores = try builder.linear(
            x, "\(name).router", "text.router", [experts.count, width], bias: false, block: block,
            name: "block.\(block).router_logits")
        let routes = try builder.add(.route(.init(chosen: experts.chosen)), scores)
        func project(_ part: String, _ x: Graph.ValueID, _ extents: [Int]) throws(Failure) -> Graph.ValueID {
            let weight = try builder.weight(
                "\(name).experts.\(part).weight", [experts.count * extents[0], extents[1]])
            return try builder.add(
                .expertLinear(
                    .init(
                        .init(weight, Role("text.experts.\(part)"), block: block), experts: experts.count,
                        chosen: experts.chosen)), x, routes)
        }
        let gate = try project("gate", x, [experts.width, width])
        let up = try project("up", x, [experts.width, width])
        let product = try builder.add(.gatedProduct(.init(.silu)), gate, up)
        let down = try project("down", product, [width, experts.width])
        return try builder.add(
            .weightedSum(.init(chosen: experts.chosen)), down, routes, name: "block.\(block).mlp")
    }
}
