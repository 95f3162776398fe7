import GraphIR
import Storage
import Testing

/// Where a residual stream may be turned, and what stands against it.
@Suite struct ResidualStreamTests {
    /// What a small model does that its stream may not bear.
    enum Habit {
        case none, tiedHead, layerNorm, headNorms, positions, activation, normReadTwice, sharedWeight, outside
    }

    /// An embedding, rows of pictures put into it, added to it, a network, a norm, a head.
    private func model(_ habit: Habit) throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        func linear(
            _ name: String, _ x: Graph.ValueID, _ extents: [Int], bias: Bool = false
        ) throws -> Graph.ValueID {
            let weight = try builder.weight(name, extents)
            let bias = bias ? try builder.weight("\(name).bias", [extents[0]]) : nil
            return try builder.add(.linear(.init(.init(weight, Role("text.mlp"), block: 0), bias: bias)), x)
        }
        func norm(_ name: String, _ x: Graph.ValueID, heads: Int = 1) throws -> Graph.ValueID {
            let weight = try builder.weight(name, [8 / heads])
            guard habit != .layerNorm else {
                let bias = try builder.weight("\(name).bias", [8])
                return try builder.add(.layerNorm(.init(weight: weight, bias: bias, epsilon: 1e-6)), x)
            }
            return try builder.add(.rmsNorm(.init(weight: weight, epsilon: 1e-6, heads: heads)), x)
        }
        try builder.begin("vision")
        let patches = try builder.input("patches", .rows(.symbol(.patches), 6))
        let coordinates = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        let segments = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        var near = try linear("near", patches, [8, 6], bias: true)
        let far = try linear("far", patches, [8, 6])
        if habit == .positions {
            let places = try builder.weight("places", [16, 8])
            near = try builder.add(
                .add, near, try builder.add(.positionTable(.init(places, .bilinear)), coordinates, segments))
        }
        try builder.output(try builder.add(.concatenate, near, far))
        try builder.begin("text")
        let tokens = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let visuals = try builder.input(
            habit == .outside ? "others" : "visuals", .rows(.symbol(.visuals), 16))
        let rows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let table = try builder.weight("table", [20, 8])
        var x = try builder.add(.embedding(.init(.init(table, Role("text.embedding")))), tokens)
        x = try builder.add(.scatterRows, x, try builder.add(.columns(.init(0..<8)), visuals), rows)
        x = try builder.add(.addRows, x, try builder.add(.columns(.init(8..<16)), visuals), rows)
        let normed = try norm("norm1", x, heads: habit == .headNorms ? 2 : 1)
        if habit == .normReadTwice { x = try builder.add(.add, x, normed) }
        var inner = try linear("up", normed, [8, 8])
        if habit == .sharedWeight {
            inner = try builder.add(.linear(.init(.init("up", Role("text.mlp")))), inner)
        }
        let down = try linear("down", try builder.add(.activation(.init(.silu)), inner), [8, 8], bias: true)
        x = try builder.add(.add, x, down)
        if habit == .activation { x = try builder.add(.activation(.init(.silu)), x) }
        try builder.output(try norm("norm2", try builder.add(.selectRows, x, outputs)))
        try builder.begin("head")
        let hidden = try builder.input("hidden", .rows(.symbol(.outputs), 8))
        let head = habit == .tiedHead ? "table" : try builder.weight("head", [20, 8])
        try builder.output(try builder.add(.linear(.init(.init(head, Role("text.head")))), hidden))
        return try builder.finish()
    }

    @Test func aStreamIsFoundThroughAllGraphs() throws {
        let model = try model(.none)
        let (turnable, objections) = model.residualStreams
        let stream = try #require(turnable.first)
        #expect(turnable.count == 1 && objections.isEmpty && stream.width == 8)
        #expect(
            Set(stream.writers) == [
                .init(weight: "table", bias: nil, part: .columns(0..<8)),
                .init(weight: "near", bias: "near.bias", part: .rows(0..<8)),
                .init(weight: "far", bias: nil, part: .rows(0..<8)),
                .init(weight: "down", bias: "down.bias", part: .rows(0..<8)),
            ])
        #expect(
            Set(stream.readers) == [
                .init(norm: "norm1", linears: ["up"]), .init(norm: "norm2", linears: ["head"]),
            ])
        #expect(model.equivalences.contains(.residual(stream)))
    }

    @Test(arguments: [
        (Habit.tiedHead, "'table' is used more than once"), (.headNorms, "sees more than its length"),
        (.positions, "is made by 'position_table'"), (.activation, "'activation'"),
        (.normReadTwice, "is read by 'add'"), (.sharedWeight, "'up' is used more than once"),
        (.outside, "'others' of the graph 'text' is fed from outside"),
    ])
    func whatTouchesItOtherwiseStandsAgainst(habit: Habit, words: String) throws {
        let (turnable, objections) = try model(habit).residualStreams
        #expect(turnable.isEmpty)
        #expect(objections.contains { $0.contains(words) }, "\(objections)")
    }

    @Test func layerNormsSeeMoreThanALength() throws {
        #expect(try model(.layerNorm).residualStreams.turnable.isEmpty)
    }
}
