import GraphIR
import Storage

/// A vision transformer over one square picture, whose patches learned queries resample into a fixed number of rows.
struct QueriedTower {
    let depth, width, heads, mlpWidth, patch, output, queries: Int
    /// The side of the picture in pixels.
    let imageSize: Int

    private static let epsilon = 1e-6
    /// Rows of the table of learned positions, however many patches there are.
    private static let positions = 256
    private static let resamplerHeadWidth = 128

    init(_ config: SettingsReader) throws(Failure) {
        depth = try config.int("layers")
        width = try config.int("width")
        heads = try config.int("heads")
        patch = try config.int("patch_size")
        output = try config.int("output_dim")
        queries = try config.int("n_queries", default: 256)
        imageSize = try config.int("image_size")
        let ratio = try config.real("mlp_ratio")
        guard depth <= 4096, width <= 1 << 20, width % heads == 0, width / heads <= 256, ratio < 1024,
            patch <= 256, imageSize <= 1 << 14, imageSize % patch == 0, output <= 1 << 20,
            output % QueriedTower.resamplerHeadWidth == 0, queries <= 1 << 16
        else { throw .badInput("has a vision tower of impossible extents", file: config.file) }
        // Truncated, as the original does.
        mlpWidth = Int(Double(width) * ratio)
    }

    /// Adds the graph `vision`.
    func add(to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("vision")
        let channels = 3 * patch * patch
        let patches = try builder.input("patches", .rows(.symbol(.patches), channels))
        let coordinates = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        let segments = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        let embedded = try builder.linear(
            patches, "vision.patch_embed", "vision.patch_embed", [width, channels], bias: false,
            name: "patch_embed")
        let table = try builder.weight("vision.positions.weight", [QueriedTower.positions, width])
        let places = try builder.add(.positionTable(.init(table, .bicubic)), coordinates, segments)
        let placed = try builder.add(.add, embedded, places, name: "block_input")
        var x = try builder.norm(.layer, placed, "vision.norm", width, epsilon: QueriedTower.epsilon)
        for block in 0..<depth { x = try addBlock(block, x, segments, to: &builder) }
        let rows = try addResampler(x, coordinates, segments, to: &builder)
        let norm = try builder.norm(
            .layer, rows, "vision.resampler.norm", output, epsilon: QueriedTower.epsilon)
        try builder.output(
            try builder.linear(
                norm, "vision.projection", "vision.projection", [output, output], bias: false, name: "out"))
    }

    private func addBlock(
        _ block: Int, _ x: Graph.ValueID, _ segments: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, epsilon) = ("vision.block.\(block)", QueriedTower.epsilon)
        let norm1 = try builder.norm(.layer, x, "\(name).norm1", width, epsilon: epsilon)
        let qkv = try builder.linear(
            norm1, "\(name).attention.qkv", "vision.attention.qkv", [3 * width, width], block: block)
        let attended = try builder.add(
            .attention(
                .init(heads: heads, keyHeads: heads, headDimension: width / heads, extent: .segments)),
            try builder.add(.columns(.init(0..<width)), qkv),
            try builder.add(.columns(.init(width..<2 * width)), qkv),
            try builder.add(.columns(.init(2 * width..<3 * width)), qkv), segments)
        let attention = try builder.linear(
            attended, "\(name).attention.output", "vision.attention.output", [width, width], block: block,
            name: "block.\(block).attention")
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(.layer, middle, "\(name).norm2", width, epsilon: epsilon)
        let up = try builder.linear(
            norm2, "\(name).mlp.up", "vision.mlp.up", [mlpWidth, width], block: block)
        let active = try builder.add(.activation(.init(.gelu)), up)
        let down = try builder.linear(
            active, "\(name).mlp.down", "vision.mlp.down", [width, mlpWidth], block: block,
            name: "block.\(block).mlp")
        return try builder.add(.add, middle, down, name: "block.\(block)")
    }

    /// Cross-attention of learned queries to the patches; places are added to queries and keys, not to values.
    private func addResampler(
        _ x: Graph.ValueID, _ coordinates: Graph.ValueID, _ segments: Graph.ValueID,
        to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, epsilon) = ("vision.resampler", QueriedTower.epsilon)
        func project(_ part: String, _ x: Graph.ValueID) throws(Failure) -> Graph.ValueID {
            try builder.linear(x, "\(name).\(part)", "\(name).\(part)", [output, output])
        }
        // A tower as wide as its output has no projection there.
        let projected =
            width == output
            ? x : try builder.linear(x, "\(name).input", "\(name).input", [output, width], bias: false)
        let values = try builder.norm(.layer, projected, "\(name).input_norm", output, epsilon: epsilon)
        let table = try builder.weight("\(name).positions.weight", [queries, output])
        let keys = try builder.add(
            .add, values, try builder.add(.positionTable(.init(table, .bicubic)), coordinates, segments))
        let learned = try builder.add(
            .parameter(.init(try builder.weight("\(name).query.weight", [queries, output]))))
        let asked = try builder.add(
            .add, try builder.norm(.layer, learned, "\(name).query_norm", output, epsilon: epsilon),
            try builder.add(.parameter(.init(table))))
        let heads = output / QueriedTower.resamplerHeadWidth
        let attended = try builder.add(
            .attention(
                .init(
                    heads: heads, keyHeads: heads, headDimension: QueriedTower.resamplerHeadWidth,
                    extent: .all)),
            try project("q", asked), try project("k", keys), try project("v", values))
        return try builder.linear(
            attended, "\(name).output", "\(name).output", [output, output], name: "resampled")
    }
}
