import Storage
import Testing

@testable import GraphIR

/// x → gate, up → silu(gate)·up → down + x: a small decoder's MLP, with an embedding before it.
func makeGraph() throws -> ModelGraph {
    var builder = ModelGraphBuilder()
    try builder.begin("text")
    let ids = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
    let positions = try builder.input("positions", ValueType(.index, [.fixed(2), .symbol(.tokens)]))
    let table = try builder.weight("embedding", [100, 8])
    let x = try builder.add(.embedding(.init(.init(table, Role("text.embedding")))), ids, name: "inputs")
    let angles = try builder.add(
        .rotaryTable(.init(headDimension: 4, theta: 10000, layout: .sections([1, 1]))), positions)
    let q = try builder.add(.rotary(.init(heads: 2, headDimension: 4)), x, angles)
    let attended = try builder.add(
        .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: 0))), q, q, x)
    let norm = try builder.weight("norm", [8])
    let h = try builder.add(.rmsNorm(.init(weight: norm, epsilon: 1e-6)), attended)
    let gate = try builder.add(
        .linear(.init(.init(try builder.weight("gate", [12, 8]), Role("text.mlp.gate"), block: 0))), h)
    let up = try builder.add(
        .linear(.init(.init(try builder.weight("up", [12, 8]), Role("text.mlp.up"), block: 0))), h)
    let product = try builder.add(.gatedProduct(.init(.silu)), gate, up)
    let bias = try builder.weight("down.bias", [8])
    let down = try builder.add(
        .linear(
            .init(.init(try builder.weight("down", [8, 12]), Role("text.mlp.down"), block: 0), bias: bias)),
        product)
    try builder.output(try builder.add(.add, x, down, name: "block.0"))
    return try builder.finish()
}

@Suite struct GraphTests {
    @Test func aGraphReadsBackAsItWasWritten() throws {
        let graph = try makeGraph()
        #expect(try ModelGraph(parsing: graph.json) == graph)
        let text = graph.json.serialized()
        #expect(try ModelGraph(parsing: JSON(parsing: Array(text.utf8))) == graph)
    }

    @Test func usesComeInTheOrderOfExecutionWithTheirRoles() throws {
        let roles = try makeGraph().uses.map(\.role.description)
        #expect(roles == ["text.embedding", "text.mlp.gate", "text.mlp.up", "text.mlp.down"])
    }

    /// What rows were selected of is `x + mlp(norm(attention(x)))`: after the attention, all of it is by rows.
    @Test func rowsAreSelectedBeforeWhatTreatsThemAlone() throws {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        let ids = try builder.input("tokens", ValueType(.index, [.symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let table = try builder.weight("embedding", [100, 8])
        let x = try builder.add(.embedding(.init(.init(table, Role("text.embedding")))), ids)
        let attended = try builder.add(
            .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: 0))), x, x, x)
        let wide = try builder.weight("wide", [12, 8])
        let h = try builder.add(.linear(.init(.init(wide, Role("text.mlp.gate"), block: 0))), attended)
        let product = try builder.add(.gatedProduct(.init(.silu)), h, h)
        let narrow = try builder.weight("narrow", [8, 12])
        let down = try builder.add(
            .linear(.init(.init(narrow, Role("text.mlp.down"), block: 0))), product)
        let selected = try builder.add(.selectRows, try builder.add(.add, x, down, name: "block.0"), outputs)
        let scale = try builder.weight("norm", [8])
        try builder.output(
            try builder.add(.rmsNorm(.init(weight: scale, epsilon: 1e-6)), selected, name: "norm"))

        let model = try builder.finish()
        let graph = try model.graphSelectingEarly("text")
        let early = graph.nodes.map { ($0.operation.name, graph[$0.result].type.extents[0]) }
        #expect(
            early.map(\.0) == [
                "embedding", "attention", "select_rows", "linear", "gated_product", "linear", "select_rows",
                "add",
                "rms_norm",
            ])
        #expect(early[..<2].allSatisfy { $0.1 == .symbol(.tokens) })
        #expect(early[2...].allSatisfy { $0.1 == .symbol(.outputs) })
        #expect(graph[graph.output].name == "norm")
    }

    @Test func aGraphThatSelectsNothingStaysAsItIs() throws {
        let model = try makeGraph()
        #expect(try model.graphSelectingEarly("text") == model.graphs[0])
    }

    @Test func textNamesEveryValueWithItsType() throws {
        let text = try makeGraph().text
        #expect(
            text.contains("inputs: float[tokens, 8] = embedding(tokens) weight=embedding role=text.embedding")
        )
        #expect(text.contains("return block.0"))
    }

    @Test func mermaidDrawsAnArrowForEveryOperand() throws {
        let graph = try makeGraph()
        let arrows = graph.mermaid.split(separator: "\n").filter { $0.contains("-->") }.count
        #expect(arrows == graph.graphs[0].nodes.reduce(0) { $0 + $1.operands.count })
    }

    @Test func aLinearOfTheWrongWidthIsRefused() throws {
        var builder = ModelGraphBuilder()
        try builder.begin("text")
        let x = try builder.input("x", .rows(.symbol(.tokens), 8))
        let weight = try builder.weight("w", [4, 7])
        let failure = #expect(throws: Failure.self) {
            _ = try builder.add(.linear(.init(.init(weight, Role("text.mlp.up")))), x, name: "y")
        }
        #expect(failure?.kind == .badInput)
        #expect(failure?.place?.contains("'y'") == true)
    }

    @Test func aWeightDeclaredButNeverUsedIsRefused() throws {
        var builder = ModelGraphBuilder()
        try builder.weight("idle", [4, 4])
        #expect(throws: Failure.self) { _ = try builder.finish() }
    }

    @Test(arguments: [
        ("\"op\":\"linear\"", "\"op\":\"teleport\""),
        ("\"version\":1", "\"version\":2"),
        ("float[tokens, 8]", "float[moons, 8]"),
        ("\"shape\":[12,8]", "\"shape\":[12,9]"),
        ("\"shape\":[12,8]", "\"shape\":[-12,8]"),
        ("\"operands\":[\"tokens\"]", "\"operands\":[\"block.0\"]"),
        ("\"output\":\"block.0\"", "\"output\":\"block.9\""),
        ("\"key_heads\":2", "\"key_heads\":0"),
        ("\"head_dimension\":4", "\"head_dimension\":3"),
        ("\"sections\":[1,1]", "\"sections\":[1,9]"),
        ("\"function\":\"silu\"", "\"function\":\"sin\""),
        // What would be passed over might change what is computed.
        ("\"function\":\"silu\"", "\"function\":\"silu\",\"limit\":7"),
        ("\"causal_layer\":0", "\"causal_layer\":0,\"window\":4096"),
        ("\"block\":0", "\"block\":-1"), ("\"block\":0", "\"block\":\"0\""),
        ("\"bias\":\"down.bias\"", "\"bias\":7"), ("\"operands\":[\"tokens\"]", "\"operands\":\"tokens\""),
        ("\"epsilon\":1e-06", "\"epsilon\":0.0"), ("\"epsilon\":1e-06", "\"epsilon\":1e-40"),
        ("\"epsilon\":1e-06", "\"epsilon\":1e30"), ("\"theta\":10000.0", "\"theta\":0.5"),
        ("\"theta\":10000.0", "\"theta\":1e40"),
        ("\"shape\":[100,8]", "\"shape\":[1152921504606846976,8]"),
    ])
    func damagedJSONIsRefused(original: String, damaged: String) throws {
        let input = JSON.pairs(["name": "tokens", "type": "float[tokens, 8]"]).serialized()
        var text = try makeGraph().json.serialized()
        // Types of results are for people; damage the type of an input instead.
        if original.hasPrefix("float") {
            text = text.replacing(
                "\"name\":\"tokens\",\"type\":\"index[tokens]\"", by: String(input.dropFirst().dropLast()))
        }
        let broken = text.replacing(original, by: damaged)
        #expect(broken != text)
        let failure = #expect(throws: Failure.self) {
            _ = try ModelGraph(parsing: JSON(parsing: Array(broken.utf8)))
        }
        #expect(failure?.kind == .badInput)
    }
}

/// What all graphs of a model must be so that they can be run one after the other.
@Suite struct InterfaceTests {
    /// The smallest model: patches are projected, tokens looked up and attended to, logits taken.
    private func model(
        visionRows: Dimension = .symbol(.patches), layer: Int = 0, merges: Bool = false,
        everything: Bool = false,
        tokenRows: Dimension = .symbol(.tokens), visualWidth: Int = 8,
        names: [String] = ["vision", "text", "head"]
    ) throws -> ModelGraph {
        var builder = ModelGraphBuilder()
        try builder.begin(names[0])
        let patches = try builder.input("patches", .rows(visionRows, 4))
        _ = try builder.input("coordinates", ValueType(.index, [.fixed(2), .symbol(.patches)]))
        _ = try builder.input("segments", ValueType(.index, [.symbol(.segments)]))
        let project = try builder.weight("project", [8, 4])
        try builder.output(
            try builder.add(.linear(.init(.init(project, Role("vision.patch_embed")))), patches))
        try builder.begin(names[1])
        let tokens = try builder.input("tokens", ValueType(.index, [tokenRows]))
        let visuals = try builder.input("visuals", .rows(.symbol(.visuals), visualWidth))
        let rows = try builder.input("visual_rows", ValueType(.index, [.symbol(.visuals)]))
        _ = try builder.input("positions", ValueType(.index, [.fixed(3), .symbol(.tokens)]))
        let outputs = try builder.input("outputs", ValueType(.index, [.symbol(.outputs)]))
        let table = try builder.weight("table", [9, 8])
        var x = try builder.add(.embedding(.init(.init(table, Role("text.embedding")))), tokens)
        x = try builder.add(.scatterRows, x, visuals, rows)
        if merges { _ = try builder.add(.mergeRows(.init(2)), x) }
        if everything {
            x = try builder.add(
                .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .all)), x, x, x,
                name: "mixed")
        }
        x = try builder.add(
            .attention(.init(heads: 2, keyHeads: 2, headDimension: 4, extent: .causal(layer: layer))), x, x, x
        )
        try builder.output(try builder.add(.selectRows, x, outputs))
        try builder.begin(names[2])
        let hidden = try builder.input("hidden", .rows(.symbol(.outputs), 8))
        try builder.output(try builder.add(.linear(.init(.init(table, Role("text.head")))), hidden))
        return try builder.finish()
    }

    @Test func aWholeModelIsAccepted() throws {
        let model = try model()
        try model.checkInterfaces()
        #expect(try ModelGraph(json: model.json) == model)
    }

    @Test func whatCannotBeFedIsRefused() throws {
        let models = [
            try model(visionRows: .fixed(24)), try model(layer: 1), try model(merges: true),
            try model(everything: true), try model(names: ["vision", "text", "tail"]),
        ]
        for model in models {
            let failure = #expect(throws: Failure.self) { _ = try ModelGraph(json: model.json) }
            #expect(failure?.kind == .badInput)
        }
    }
}

@Suite struct RoleTests {
    @Test(arguments: [
        ("text.attention.q", "text.*", true), ("text.attention.q", "*.q", true),
        ("text.attention.q", "*", true),
        ("text.attention.q", "text.attention.q", true), ("text.attention.q", "text.*.q", true),
        ("text.attention.q", "vision.*", false), ("text.attention.q", "text", false),
        ("text.attention.q", "", false),
        ("aab", "*ab", true), ("abab", "a*b", true), ("abc", "a*b", false),
    ])
    func patterns(role: String, pattern: String, matches: Bool) {
        #expect(Role(role).matches(pattern) == matches)
    }
}

@Suite struct DimensionTests {
    @Test(arguments: ["1536", "tokens", "patches/4"])
    func descriptionsReadBack(text: String) {
        #expect(Dimension(text)?.description == text)
    }

    @Test(arguments: ["", "0", "-3", "moons", "patches/0", "patches/", "patches/4/2", "9999999999999999999"])
    func nonsenseIsRefused(text: String) {
        #expect(Dimension(text) == nil)
    }
}

extension String {
    /// The text with every occurrence of `old` replaced.
    fileprivate func replacing(_ old: String, by new: String) -> String {
        var (result, rest) = ("", self[...])
        while let range = rest.firstRange(of: old) {
            result += rest[..<range.lowerBound] + new
            rest = rest[range.upperBound...]
        }
        return result + rest
    }
}
