import GraphIR
import Storage

/// Graphs small enough to be inputs.
enum TinyGraph {
    /// An embedding and a linear: a calibration file of it has few tensors.
    static let oneLinear = Result {
        var builder = ModelGraphBuilder()
        try builder.weight("t", [20, 4])
        try builder.weight("u", [3, 4])
        try builder.begin("text")
        let ids = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        let x = try builder.add(.embedding(.init("t", Role("text.embedding"))), ids)
        try builder.output(try builder.add(.linear(.init("u", Role("text.mlp.up"), block: 0), bias: nil), x))
        return try builder.finish()
    }

    /// An embedding, a norm, two linears.
    static func mlp() throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.weight("t", [20, 4])
        try builder.weight("n", [4])
        try builder.weight("u", [3, 4])
        try builder.weight("d", [4, 3])
        try builder.begin("text")
        let ids = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        let x = try builder.add(.embedding(.init("t", Role("text.embedding"))), ids)
        let y = try builder.add(.norm(.init(.rms, weight: "n", epsilon: 1e-6)), x)
        let up = try builder.add(.linear(.init("u", Role("text.mlp.up"), block: 0), bias: nil), y)
        let down = try builder.add(.linear(.init("d", Role("text.mlp.down"), block: 0), bias: nil), up)
        try builder.output(try builder.add(.add, x, down, name: "block.0"))
        return try builder.finish()
    }

    /// Attention with rotary positions.
    static func attention() throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.weight("q", [8, 8])
        try builder.begin("text")
        let x = try builder.input("x", .rows(.symbol(.tokens), 8))
        let positions = try builder.input("positions", ValueType(.index, [.fixed(2), .symbol(.tokens)]))
        let angles = try builder.add(
            .rotaryTable(.init(headDimension: 4, theta: 10000, layout: .sections([1, 1]))), positions)
        let q = try builder.add(.linear(.init("q", Role("text.attention.q"), block: 0), bias: nil), x)
        let turned = try builder.add(.rotary(heads: 2, headDimension: 4), q, angles)
        try builder.output(
            try builder.add(
                .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: 0))), turned,
                turned, x,
                name: "attended"))
        return try builder.finish()
    }
}
