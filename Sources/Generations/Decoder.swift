import GraphIR
import Storage

/// A decoder of the Qwen2 and Qwen3 kind: grouped queries, multimodal rotary positions, gated networks.
struct Decoder {
    /// A network of which each token uses a few parts.
    struct Experts {
        let count, chosen, width: Int
        /// Columns of a network beside them that all tokens go through, and whose result is gated; nil for none.
        var sharedWidth: Int?

        /// Whether a graph can have such.
        var isPossible: Bool {
            count <= 1 << 16 && chosen <= min(count, 64) && width <= 1 << 24 && sharedWidth ?? 1 <= 1 << 24
        }
    }

    let depth, width, heads, keyHeads, headWidth, mlpWidth, vocabulary, contextLimit: Int
    let epsilon, theta: Double
    let sections: [Int]
    let isInterleaved: Bool
    /// Columns of a head that are rotated.
    let rotaryWidth: Int
    /// Whether queries, keys and values have biases.
    var attentionBias = true
    /// Whether each head of queries and keys is normalised.
    var headNorms = false
    /// Whether what attention gives is multiplied by the sigmoid of a projection of its own.
    var gatesAttention = false
    /// The blocks in which a delta rule takes the place of attention, if there are any.
    var deltaRule: DeltaRuleLayer?
    /// Instead of one network of `mlpWidth`.
    var experts: Experts?
    /// How many first layers have rows of their own added at visual tokens.
    var features = 0

    /// Reads the published flat form, the nested form of later saves, and the mixtures between them.
    /// - Parameters:
    ///   - interleaves: whether the axes of positions take turns even where the file does not say so.
    ///   - rotatesPart: whether a part of each head alone may be rotated.
    ///   - isOfExperts: whether no layer has a network of one width.
    init(
        _ root: SettingsReader, interleaves: Bool = false, rotatesPart: Bool = false,
        isOfExperts: Bool = false
    ) throws(Failure) {
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
        mlpWidth = isOfExperts ? 0 : try config.int("intermediate_size")
        vocabulary = try config.int("vocab_size")
        contextLimit = try config.int("max_position_embeddings")
        epsilon = try config.real("rms_norm_eps")
        let rotary = try RotarySettings(config, in: root, rotatesPart: rotatesPart)
        (theta, sections) = (rotary.theta, rotary.sections)
        // The reference cuts off; a fraction that was divided out of whole columns may come out a little below.
        rotaryWidth = Int((Double(headWidth) * rotary.fraction * (1 + 1e-9)).rounded(.down))
        isInterleaved = interleaves || rotary.isInterleaved
        guard depth <= 4096, width <= 1 << 20, mlpWidth <= 1 << 24, vocabulary <= 1 << 24, headWidth <= 256,
            keyHeads <= heads, heads % keyHeads == 0
        else { throw .badInput("has a decoder of impossible extents", file: config.file) }
        guard sections.count == 3, sections.allSatisfy({ (0...headWidth).contains($0) }),
            2 * sections.reduce(0, +) == rotaryWidth
        else {
            throw .badInput(
                "'mrope_section' is \(sections), which does not divide half of \(rotaryWidth) columns of a head",
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
                    headDimension: rotaryWidth, theta: theta,
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
        let mixed =
            if let deltaRule, deltaRule.blocks.contains(block) {
                try deltaRule.add(block, norm1, width, epsilon, to: &builder)
            } else {
                try addAttention(block, norm1, table, to: &builder)
            }
        let middle = try builder.add(.add, x, mixed)
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
        let gate = gatesAttention ? try project("gate", heads) : nil
        func rotated(_ x: Graph.ValueID, _ heads: Int) throws(Failure) -> Graph.ValueID {
            try builder.add(
                .rotary(.init(heads: heads, headDimension: headWidth, rotated: rotaryWidth)), x, table)
        }
        if headNorms {
            q = try builder.headNorm(q, "\(name).q_norm", heads: heads, headWidth, epsilon: epsilon)
            k = try builder.headNorm(k, "\(name).k_norm", heads: keyHeads, headWidth, epsilon: epsilon)
        }
        var attended = try builder.add(
            .attention(
                .init(
                    heads: heads, keyHeads: keyHeads, headDimension: headWidth, extent: .causal(layer: block))
            ),
            try rotated(q, heads), try rotated(k, keyHeads), v)
        if let gate { attended = try builder.add(.gatedProduct(.init(.sigmoid)), gate, attended) }
        return try builder.linear(
            attended, "\(name).output", "text.attention.output", [width, heads * headWidth], bias: false,
            block: block, name: "block.\(block).attention")
    }

    private func addNetwork(
        _ block: Int, _ x: Graph.ValueID, _ part: String = "mlp", width inner: Int? = nil,
        to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, role, inner) = ("text.block.\(block).\(part)", "text.\(part)", inner ?? mlpWidth)
        let gate = try builder.linear(
            x, "\(name).gate", "\(role).gate", [inner, width], bias: false, block: block)
        let up = try builder.linear(x, "\(name).up", "\(role).up", [inner, width], bias: false, block: block)
        let product = try builder.add(.gatedProduct(.init(.silu)), gate, up)
        return try builder.linear(
            product, "\(name).down", "\(role).down", [width, inner], bias: false, block: block,
            name: "block.\(block).\(part)")
    }

    /// The network that all tokens go through, times the sigmoid of a number of each.
    private func addSharedExpert(
        _ sharedWidth: Int, _ block: Int, _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let gate = try builder.linear(
            x, "text.block.\(block).shared_expert_gate", "text.shared_expert_gate", [1, width], bias: false,
            block: block)
        let shared = try addNetwork(block, x, "shared_expert", width: sharedWidth, to: &builder)
        return try builder.add(.gateRows, gate, shared)
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
        let sum = Operation.weightedSum(.init(chosen: experts.chosen))
        guard let sharedWidth = experts.sharedWidth else {
            return try builder.add(sum, down, routes, name: "block.\(block).mlp")
        }
        return try builder.add(
            .add, try builder.add(sum, down, routes),
            try addSharedExpert(sharedWidth, block, x, to: &builder), name: "block.\(block).mlp")
    }
}
