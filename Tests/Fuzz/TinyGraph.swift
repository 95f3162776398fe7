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
        let x = try builder.add(.embedding(.init(.init("t", Role("text.embedding")))), ids)
        try builder.output(try builder.add(.linear(.init(.init("u", Role("text.mlp.up"), block: 0))), x))
        return try builder.finish()
    }

    /// A whole model: patches are projected; tokens looked up, attended to by rotary positions and normed; logits taken.
    static func model() throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.begin("vision")
        let patches = try builder.input("patches", .rows(.symbol(.patches), 4))
        _ = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        _ = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        let project = try builder.weight("p", [8, 4])
        try builder.output(
            try builder.add(.linear(.init(.init(project, Role("vision.patch_embed")))), patches))

        try builder.begin("text")
        let tokens = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let visuals = try builder.input("visuals", .rows(.symbol(.visuals), 8))
        let rows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        let positions = try builder.input("positions", ValueType(.index, [.fixed(2), .symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let (table, gains, query) = (
            try builder.weight("t", [9, 8]), try builder.weight("n", [8]), try builder.weight("q", [8, 8])
        )
        let embedded = try builder.add(.embedding(.init(.init(table, Role("text.embedding")))), tokens)
        let x = try builder.add(.scatterRows, embedded, visuals, rows)
        let angles = try builder.add(
            .rotaryTable(.init(headDimension: 4, theta: 10000, layout: .sections([1, 1]))), positions)
        let q = try builder.add(.linear(.init(.init(query, Role("text.attention.q"), block: 0))), x)
        let turned = try builder.add(.rotary(.init(heads: 2, headDimension: 4)), q, angles)
        let attended = try builder.add(
            .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: 0))), turned,
            turned, x, name: "attended")
        let normed = try builder.add(.rmsNorm(.init(weight: gains, epsilon: 1e-6)), attended)
        try builder.output(try builder.add(.selectRows, try builder.add(.add, x, normed), outputs))

        try builder.begin("head")
        let hidden = try builder.input("hidden", .rows(.symbol(.outputs), 8))
        try builder.output(try builder.add(.linear(.init(.init(table, Role("text.head")))), hidden))
        return try builder.finish()
    }
}
