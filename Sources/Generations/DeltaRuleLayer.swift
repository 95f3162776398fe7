import GraphIR
import Storage

/// A layer that mixes tokens by a gated delta rule (Gated DeltaNet, arXiv 2412.06464) instead of attention.
struct DeltaRuleLayer {
    /// The blocks that have one.
    let blocks: Set<Int>
    let heads, keyHeads, keyWidth, valueWidth: Int
    /// Tokens that the convolution before the rule makes one of.
    let convolutionWidth: Int

    private var keys: Int { keyHeads * keyWidth }
    private var values: Int { heads * valueWidth }
    /// Queries, keys and values, which are convolved.
    var channels: Int { 2 * keys + values }

    /// Whether a graph can have such.
    var isPossible: Bool {
        heads <= 4096 && keyHeads > 0 && heads % keyHeads == 0 && keyWidth <= 256 && valueWidth <= 256
            && (2...16).contains(convolutionWidth)
    }

    /// Adds the layer of a block, which reads normalised rows of `width` columns.
    func add(
        _ block: Int, _ x: Graph.ValueID, _ width: Int, _ epsilon: Double, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "text.block.\(block).linear_attention"
        func project(_ part: String, _ rows: Int) throws(Failure) -> Graph.ValueID {
            try builder.linear(
                x, "\(name).\(part)", "text.linear_attention.\(part)", [rows, width], bias: false,
                block: block)
        }
        let (qkv, gate) = (try project("qkv", channels), try project("gate", values))
        let (decay, write) = (try project("decay", heads), try project("write", heads))
        let taps = try builder.weight("\(name).convolution.weight", [channels, convolutionWidth])
        let convolved = try builder.add(
            .causalConvolution(.init(taps, channels: channels, width: convolutionWidth, layer: block)), qkv)
        let active = try builder.add(.activation(.init(.silu)), convolved)
        let rule = Operation.DeltaRule(
            logDecay: try builder.weight("\(name).log_decay", [heads]),
            bias: try builder.weight("\(name).decay_bias", [heads]), heads: heads, keyHeads: keyHeads,
            keyDimension: keyWidth, valueDimension: valueWidth, layer: block)
        let mixed = try builder.add(
            .deltaRule(rule), try builder.add(.columns(.init(0..<keys)), active),
            try builder.add(.columns(.init(keys..<2 * keys)), active),
            try builder.add(.columns(.init(2 * keys..<channels)), active), decay, write)
        let normed = try builder.headNorm(mixed, "\(name).norm", heads: heads, valueWidth, epsilon: epsilon)
        let gated = try builder.add(.gatedProduct(.init(.silu)), gate, normed)
        return try builder.linear(
            gated, "\(name).output", "text.linear_attention.output", [width, values], bias: false,
            block: block,
            name: "block.\(block).linear_attn")
    }
}
