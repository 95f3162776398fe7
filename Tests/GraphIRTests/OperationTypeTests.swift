import Storage
import TestSupport
import Testing

@testable import GraphIR

/// What each operation takes and gives, and what it refuses: the runtime relies on it for its bounds.
@Suite struct OperationTypeTests {
    private static let tokens = Dimension.symbol(.tokens)
    private static let patches = Dimension.symbol(.patches)
    private static let places = ValueType(.index, [.fixed(2), patches])
    private static let segments = ValueType(.index, [.symbol(.segments)])
    private static let weights = [
        ("table", [9, 6]), ("oblong", [8, 6]), ("experts", [12, 6]), ("taps", [6, 4]), ("A", [4]), ("b", [4]),
    ]

    private static func rows(_ rows: Dimension, _ columns: Int) -> ValueType { .rows(rows, columns) }
    private static func numbers(_ count: Dimension) -> ValueType { ValueType(.index, [count]) }
    private static func causal(layer: Int) -> GraphIR.Operation {
        .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: layer)))
    }
    private static func delta(heads: Int = 4, keyHeads: Int = 2, layer: Int = 0) -> GraphIR.Operation {
        .deltaRule(
            .init(
                logDecay: "A", bias: "b", heads: heads, keyHeads: keyHeads, keyDimension: 3,
                valueDimension: 5, layer: layer))
    }
    /// Queries, keys, values, decay and write of `delta()`.
    private static let deltaOperands = [6, 6, 20, 4, 4].map { rows(tokens, $0) }
    private static let expertUse = Operation.WeightUse("experts", Role("text.experts.up"))

    /// The type that one operation gives to its operands, each of them an input, as its JSON has it, too.
    private func type(_ operation: GraphIR.Operation, _ operands: [ValueType]) throws -> ValueType {
        var builder = ModelGraphBuilder()
        for (name, shape) in Self.weights where operation.weightNames.contains(name) {
            try builder.weight(name, shape)
        }
        try builder.begin("text")
        var inputs: [Graph.ValueID] = []
        for (index, type) in operands.enumerated() { inputs.append(try builder.input("input\(index)", type)) }
        try builder.output(try builder.add(operation, operands: inputs, name: "result"))
        let model = try builder.finish()
        #expect(try ModelGraph(parsing: JSON(parsing: Array(model.json.serialized().utf8))) == model)
        return model.graphs[0][model.graphs[0].output].type
    }

    @Test(
        arguments: [
            (.parameter(.init("table")), [], rows(.fixed(9), 6)),
            (.positionTable(.init("table", .bilinear)), [places, segments], rows(patches, 6)),
            (.positionTable(.init("table", .bicubic)), [places, segments], rows(patches, 6)),
            (
                .expertLinear(.init(expertUse, experts: 4, chosen: 2)), [rows(tokens, 6), rows(tokens, 4)],
                rows(tokens, 6)
            ),
            (
                .expertLinear(.init(expertUse, experts: 4, chosen: 2)), [rows(tokens, 12), rows(tokens, 4)],
                rows(tokens, 6)
            ),
            (.concatenate, [rows(tokens, 2), rows(tokens, 3), rows(tokens, 4)], rows(tokens, 9)),
            (.selectRows, [rows(tokens, 5), numbers(.symbol(.outputs))], rows(.symbol(.outputs), 5)),
            (
                .addRows, [rows(tokens, 5), rows(.symbol(.visuals), 5), numbers(.symbol(.visuals))],
                rows(tokens, 5)
            ),
            (.route(.init(chosen: 2)), [rows(tokens, 8)], rows(tokens, 4)),
            (.gateRows, [rows(tokens, 1), rows(tokens, 8)], rows(tokens, 8)),
            (.gatedProduct(.init(.sigmoid)), [rows(tokens, 8), rows(tokens, 8)], rows(tokens, 8)),
            (
                .causalConvolution(.init("taps", channels: 6, width: 4, layer: 0)), [rows(tokens, 6)],
                rows(tokens, 6)
            ),
            (delta(), deltaOperands, rows(tokens, 20)),
            (.weightedSum(.init(chosen: 2)), [rows(tokens, 12), rows(tokens, 4)], rows(tokens, 6)),
            (
                .lengthScale(.init(2048)), [rows(tokens, 8), ValueType(.index, [.fixed(1), tokens])],
                rows(tokens, 8)
            ),

        ] as [(GraphIR.Operation, [ValueType], ValueType)])
    func gives(operation: GraphIR.Operation, operands: [ValueType], type: ValueType) throws {
        #expect(try self.type(operation, operands) == type)
    }

    @Test(
        arguments: [
            (.positionTable(.init("oblong", .bilinear)), [places, segments]),
            (.positionTable(.init("table", .bilinear)), [places, numbers(patches)]),
            (.expertLinear(.init(expertUse, experts: 5, chosen: 2)), [rows(tokens, 6), rows(tokens, 4)]),
            (.expertLinear(.init(expertUse, experts: 4, chosen: 5)), [rows(tokens, 6), rows(tokens, 10)]),
            (.expertLinear(.init(expertUse, experts: 0, chosen: 2)), [rows(tokens, 6), rows(tokens, 4)]),
            (.expertLinear(.init(expertUse, experts: 4, chosen: 2)), [rows(patches, 6), rows(tokens, 4)]),
            (.concatenate, [rows(tokens, 2), rows(patches, 3)]),
            (.concatenate, [rows(tokens, 1 << 32), rows(tokens, 1)]),
            // Numbers of rows that are not numbers of tokens would lead outside.
            (.embedding(.init(.init("table", Role("text.embedding")))), [numbers(.symbol(.visuals))]),
            (.selectRows, [rows(patches, 5), numbers(.symbol(.outputs))]),
            (.selectRows, [rows(tokens, 5), numbers(.symbol(.segments))]),
            (.addRows, [rows(tokens, 5), rows(.symbol(.visuals), 4), numbers(.symbol(.visuals))]),
            (.addRows, [rows(tokens, 5), rows(.symbol(.visuals), 5), numbers(.symbol(.outputs))]),
            (.scatterRows, [rows(patches, 5), rows(.symbol(.visuals), 5), numbers(.symbol(.visuals))]),
            (.gateRows, [rows(tokens, 2), rows(tokens, 8)]),
            (.gateRows, [rows(.symbol(.outputs), 1), rows(tokens, 8)]),
            // What is kept of a sequence is of tokens, and of as many channels and heads as the weights.
            (.causalConvolution(.init("taps", channels: 6, width: 4, layer: 0)), [rows(patches, 6)]),
            (.causalConvolution(.init("taps", channels: 5, width: 4, layer: 0)), [rows(tokens, 5)]),
            (.causalConvolution(.init("taps", channels: 6, width: 3, layer: 0)), [rows(tokens, 6)]),
            (.causalConvolution(.init("taps", channels: 6, width: 0, layer: 0)), [rows(tokens, 6)]),
            (delta(), deltaOperands.map { rows(patches, $0.columns ?? 0) }),
            (delta(keyHeads: 3), deltaOperands), (delta(keyHeads: 0), deltaOperands),
            (delta(heads: 0), deltaOperands), (delta(heads: 8), deltaOperands),
            (delta(), Array(deltaOperands.dropLast())), (delta(), deltaOperands.reversed()),
            (.route(.init(chosen: 0)), [rows(tokens, 8)]), (.route(.init(chosen: 9)), [rows(tokens, 8)]),
            (.route(.init(chosen: 65)), [rows(tokens, 128)]),
            (.weightedSum(.init(chosen: 2)), [rows(tokens, 13), rows(tokens, 4)]),
            (.weightedSum(.init(chosen: 1 << 62)), [rows(tokens, 8), rows(tokens, 4)]),
            (.lengthScale(.init(1)), [rows(tokens, 8), ValueType(.index, [.fixed(1), tokens])]),
            (.lengthScale(.init(2048)), [rows(tokens, 8), ValueType(.index, [.fixed(3), tokens])]),
            (.windows(.init(side: 0)), [places, segments]), (.windows(.init(side: 17)), [places, segments]),
            (.windows(.init(side: 8)), [numbers(patches), segments]),
            // Numbers that a caller feeds are no windows, however they look; nor are rows a table of angles.
            (
                .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .windows)),
                [rows(patches, 8), rows(patches, 8), rows(patches, 8), places]
            ),
            (.rotary(.init(heads: 2, headDimension: 4)), [rows(tokens, 8), rows(tokens, 4)]),
            // Places are patches', which segments bound.
            (.windows(.init(side: 8)), [ValueType(.index, [.fixed(2), tokens]), segments]),
            (.positionTable(.init("table", .bilinear)), [ValueType(.index, [.fixed(2), tokens]), segments]),
            // The cache is for tokens.
            (causal(layer: 0), [rows(patches, 8), rows(patches, 8), rows(patches, 8)]),
            (causal(layer: 0), [rows(.fixed(9), 8), rows(.fixed(9), 8), rows(.fixed(9), 8)]),
            (
                causal(layer: 0),
                [rows(.symbol(.outputs), 8), rows(.symbol(.outputs), 8), rows(.symbol(.outputs), 8)]
            ),
            (causal(layer: 0), [rows(tokens, 8), rows(.symbol(.tokens, dividedBy: 2), 8), rows(tokens, 8)]),
            (causal(layer: -1), [rows(tokens, 8), rows(tokens, 8), rows(tokens, 8)]),
            (
                .rotaryTable(.init(headDimension: 4, theta: .infinity, layout: .sections([2]))),
                [ValueType(.index, [.fixed(1), tokens])]
            ),
            (
                .rotaryTable(.init(headDimension: 4, theta: .nan, layout: .sections([2]))),
                [ValueType(.index, [.fixed(1), tokens])]
            ),
        ] as [(GraphIR.Operation, [ValueType])])
    func refuses(operation: GraphIR.Operation, operands: [ValueType]) {
        let failure = #expect(throws: Failure.self) { _ = try type(operation, operands) }
        #expect(failure?.kind == .badInput)
    }

    /// What `windows` and `rotary_table` lay out is no value that anything else may read, nor a graph's output.
    @Test func windowsAndAnglesAreForTheirReadersAlone() throws {
        var builder = ModelGraphBuilder()
        try builder.begin("vision")
        let x = try builder.input("x", Self.rows(Self.patches, 8))
        let places = try builder.input("coordinates", Self.places)
        let segments = try builder.input("segments", Self.segments)
        let windows = try builder.add(.windows(.init(side: 16)), places, segments)
        let angles = try builder.add(
            .rotaryTable(.init(headDimension: 4, theta: 100, layout: .axial(axes: 2))), places)
        _ = try builder.add(
            .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .windows)), x, x, x, windows)
        _ = try builder.add(.rotary(.init(heads: 2, headDimension: 4)), x, angles)
        #expect(throws: Failure.self) { _ = try builder.add(.windows(.init(side: 16)), windows, segments) }
        #expect(throws: Failure.self) { _ = try builder.add(.activation(.init(.silu)), angles) }
        #expect(throws: Failure.self) {
            _ = try builder.add(.rotary(.init(heads: 1, headDimension: 4)), angles, angles)
        }
        #expect(throws: Failure.self) { try builder.output(angles) }
        #expect(throws: Failure.self) { try builder.output(places) }
        try builder.output(x)
    }

    /// What a file may name, its schema and its specification name, too, and nothing else.
    @Test func everyOperationIsSpecified() throws {
        let names = Operation.definitions.map { $0.name }
        #expect(Set(names).count == names.count)
        let schema = try JSON(file: Fixtures.path("../../formats/graph.schema.json"))
        let known = schema["$defs"]?["node"]?["properties"]?["op"]?["enum"]?.strings ?? []
        #expect(Set(known) == Set(names))
        let page = String(decoding: try readFile(Fixtures.path("../../formats/graph.md")), as: UTF8.self)
        for name in names { #expect(page.contains("| `\(name)`"), "\(name)") }
    }

    @Test func aGraphHasAMostOfNodes() throws {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        var x = try builder.input("x", Self.rows(Self.tokens, 8))
        for _ in 0..<Graph.mostNodes { x = try builder.add(.activation(.init(.silu)), x) }
        let failure = #expect(throws: Failure.self) { _ = try builder.add(.activation(.init(.silu)), x) }
        #expect(failure?.kind == .limit)
    }

    @Test func fixedExtentsHaveALimit() throws {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        _ = try builder.input("most", Self.rows(Self.tokens, 1 << 32))
        #expect(throws: Failure.self) { _ = try builder.input("more", Self.rows(Self.tokens, (1 << 32) + 1)) }
    }
}
