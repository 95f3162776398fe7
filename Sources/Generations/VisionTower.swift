import GraphIR
import Storage

/// A vision transformer over patches with axial rotary positions, whose squares of patches a merger makes into tokens.
struct VisionTower {
    /// The network after each attention.
    enum Network {
        /// down(f(up(x))).
        case plain(Operation.Function)
        /// down(f(gate(x)) · up(x)).
        case gated(Operation.Function)
    }

    /// The base of the rotary positions.
    let theta: Double
    var depth, width, heads, mlpWidth, channels, patch, temporalPatch, merge, output: Int
    var norm = NormKind.layer
    var network = Network.plain(.quickGELU)
    var patchBias = false
    /// Rows of the square table of learned positions, if there is one.
    var positions: Int?
    /// The side of windows, in patches, and the blocks that attend to whole frames nevertheless.
    var windows: (side: Int, fullBlocks: [Int])?
    /// Blocks whose rows are merged, too, and handed to the decoder's first layers.
    var features: [Int] = []

    var headWidth: Int { width / heads }
    var patchWidth: Int { channels * temporalPatch * patch * patch }
    /// As the reference has it whatever config.json says.
    var epsilon: Double { 1e-6 }

    /// What later generations' files name alike.
    init(_ config: SettingsReader, width: Int, mlpWidth: Int, output: Int) throws(Failure) {
        depth = try config.int("depth")
        self.width = width
        heads = try config.int("num_heads")
        self.mlpWidth = mlpWidth
        channels = try config.int("in_channels", "in_chans")
        patch = try config.int("patch_size")
        temporalPatch = try config.int("temporal_patch_size")
        merge = try config.int("spatial_merge_size")
        self.output = output
        let rotary = config.object("rope_parameters")
        if let kind = rotary?["rope_type"], kind != "axial", kind != "default" {
            throw .badInput(
                "'\(config.path)rope_parameters.rope_type' is \(kind.serialized()), which is not supported",
                file: config.file)
        }
        theta = try rotary?.real("rope_theta", default: 10000) ?? 10000
    }

    /// What the words of a name table's patch shape stand for.
    var patchExtents: [String: Int] {
        [
            "width": width, "in_channels": channels, "temporal_patch_size": temporalPatch,
            "patch_size": patch,
        ]
    }

    /// Refuses extents that no graph could have.
    func check(file: String) throws(Failure) {
        guard depth <= 4096, width <= 1 << 20, mlpWidth <= 1 << 24, width % heads == 0, headWidth % 4 == 0,
            headWidth <= 256, channels == 3, patch <= 256, temporalPatch <= 16, (2...16).contains(merge),
            features.allSatisfy({ (0..<depth).contains($0) })
        else { throw .badInput("has a vision tower of impossible extents", file: file) }
    }

    /// Adds the graph `vision`.
    func add(to builder: inout ModelGraphBuilder) throws(Failure) {
        try builder.begin("vision")
        let patches = try builder.input("patches", .rows(.symbol(.patches), patchWidth))
        let coordinates = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        let segments = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        let table = try builder.add(
            .rotaryTable(.init(headDimension: headWidth, theta: theta, layout: .axial(axes: 2))), coordinates)
        let bounds = try windows.map { (windows) throws(Failure) in
            try builder.add(.windows(.init(side: windows.side)), coordinates, segments)
        }
        var x = try builder.linear(
            patches, "vision.patch_embed", "vision.patch_embed", [width, patchWidth], bias: patchBias,
            name: "patch_embed")
        if let positions {
            let weight = try builder.weight("vision.positions.weight", [positions, width])
            let places = try builder.add(
                .positionTable(.init(weight, .bilinear)), coordinates, segments, name: "pos_embed")
            x = try builder.add(.add, x, places)
        }
        var merged: [Graph.ValueID] = []
        for block in 0..<depth {
            let isFull = windows?.fullBlocks.contains(block) ?? true
            x = try addBlock(block, x, table, isFull ? nil : bounds, segments, to: &builder)
            for (index, feature) in features.enumerated() where feature == block {
                merged.append(try addFeature(index, x, to: &builder))
            }
        }
        let out = try addMerger(x, to: &builder)
        try builder.output(merged.isEmpty ? out : try builder.add(.concatenate, operands: [out] + merged))
    }

    private func addBlock(
        _ block: Int, _ x: Graph.ValueID, _ table: Graph.ValueID, _ windows: Graph.ValueID?,
        _ segments: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let (name, head) = ("vision.block.\(block)", headWidth)
        let norm1 = try builder.norm(norm, x, "\(name).norm1", width, epsilon: epsilon)
        let qkv = try builder.linear(
            norm1, "\(name).attention.qkv", "vision.attention.qkv", [3 * width, width], block: block)
        let q = try builder.add(.columns(.init(0..<width)), qkv)
        let k = try builder.add(.columns(.init(width..<2 * width)), qkv)
        let v = try builder.add(.columns(.init(2 * width..<3 * width)), qkv)
        let attended = try builder.add(
            .attention(
                .init(
                    heads: heads, keyHeads: heads, headDimension: head,
                    extent: windows == nil ? .segments : .windows)),
            try builder.add(.rotary(.init(heads: heads, headDimension: head)), q, table),
            try builder.add(.rotary(.init(heads: heads, headDimension: head)), k, table), v,
            windows ?? segments)
        let attention = try builder.linear(
            attended, "\(name).attention.output", "vision.attention.output", [width, width], block: block,
            name: "block.\(block).attention")
        let middle = try builder.add(.add, x, attention)
        let norm2 = try builder.norm(norm, middle, "\(name).norm2", width, epsilon: epsilon)
        let mlp = try addNetwork(block, norm2, to: &builder)
        return try builder.add(.add, middle, mlp, name: "block.\(block)")
    }

    private func addNetwork(
        _ block: Int, _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let name = "vision.block.\(block).mlp"
        let inner: Graph.ValueID
        switch network {
        case .plain(let function):
            let up = try builder.linear(x, "\(name).up", "vision.mlp.up", [mlpWidth, width], block: block)
            inner = try builder.add(.activation(.init(function)), up)
        case .gated(let function):
            let gate = try builder.linear(
                x, "\(name).gate", "vision.mlp.gate", [mlpWidth, width], block: block)
            let up = try builder.linear(x, "\(name).up", "vision.mlp.up", [mlpWidth, width], block: block)
            inner = try builder.add(.gatedProduct(.init(function)), gate, up)
        }
        return try builder.linear(
            inner, "\(name).down", "vision.mlp.down", [width, mlpWidth], block: block,
            name: "block.\(block).mlp")
    }

    /// Squares of patches, normalised patch by patch, become tokens.
    private func addMerger(
        _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let norm = try builder.norm(norm, x, "vision.merger.norm", width, epsilon: epsilon)
        let merged = try builder.add(.mergeRows(.init(merge * merge)), norm)
        return try addProjection(
            merged, "vision.merger", "vision.merger", block: nil, name: "out", to: &builder)
    }

    /// The same for a block on the way, normalised square by square. Features are numbered as blocks are, so that a recipe
    /// can tell them apart.
    private func addFeature(
        _ index: Int, _ x: Graph.ValueID, to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let merged = try builder.add(.mergeRows(.init(merge * merge)), x)
        let norm = try builder.norm(
            norm, merged, "vision.feature.\(index).norm", width * merge * merge, epsilon: epsilon)
        return try addProjection(
            norm, "vision.feature.\(index)", "vision.feature", block: index, name: "deepstack\(index)",
            to: &builder)
    }

    private func addProjection(
        _ x: Graph.ValueID, _ weights: String, _ role: String, block: Int?, name: String,
        to builder: inout ModelGraphBuilder
    ) throws(Failure) -> Graph.ValueID {
        let inner = width * merge * merge
        let up = try builder.linear(x, "\(weights).up", "\(role).up", [inner, inner], block: block)
        let active = try builder.add(.activation(.init(.gelu)), up)
        return try builder.linear(
            active, "\(weights).down", "\(role).down", [output, inner], block: block, name: name)
    }
}
