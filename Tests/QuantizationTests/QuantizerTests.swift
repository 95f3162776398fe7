import Bundles
import Calibration
import GraphIR
import GroupFormats
import Quantization
import Storage
import TestSupport
import Testing

/// A toy of every kind of weight: a tied table, a linear with a bias, a norm.
struct Toy {
    let graph: ModelGraph
    let weights: [(name: String, shape: Shape, values: [Float])]

    init() throws {
        var builder = ModelGraphBuilder()
        try builder.weight("table", [50, 40])
        try builder.weight("up.weight", [33, 40])
        try builder.weight("up.bias", [33])
        try builder.weight("norm", [40])
        try builder.weight("down", [40, 33])
        try builder.begin("text")
        let ids = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        let x = try builder.add(.embedding(.init(.init("table", Role("text.embedding")))), ids)
        let y = try builder.add(.rmsNorm(.init(weight: "norm", epsilon: 1e-6)), x)
        let up = try builder.add(
            .linear(.init(.init("up.weight", Role("text.mlp.up"), block: 0), bias: "up.bias")), y)
        let down = try builder.add(.linear(.init(.init("down", Role("text.mlp.down"), block: 0))), up)
        try builder.output(try builder.add(.linear(.init(.init("table", Role("text.head")))), down))
        graph = try builder.finish()
        var numbers = Numbers(1)
        weights = graph.weights.map { ($0.name, $0.shape, numbers.weights($0.shape.count)) }
    }

    /// Writes it in full precision; `change` may spoil the values.
    func write(_ path: String, change: (String, inout [Float]) -> Void = { _, _ in }) throws -> Bundle {
        let plan = try weights.map {
            try TensorDescription(
                name: $0.name, shape: $0.shape, encoding: .float(.float32), sources: ["s." + $0.name])
        }
        let writer = try BundleWriter(OutputPath(path, inputs: []), fingerprint: "toy", plan: plan)
        for (index, weight) in weights.enumerated() {
            var values = weight.values
            change(weight.name, &values)
            try values.withUnsafeBytes { try writer.append($0, to: index) }
        }
        try writer.finish(graph: graph.json, metadata: .object([]), tokenizer: [])
        return try Bundle(path)
    }
}

extension Toy {
    /// Quantizes the bundle at `source`, stopping with an interrupt when `stop` names a tensor that is complete.
    func quantize(
        _ source: Bundle, _ recipe: Recipe, to path: String, threads: Int = 1,
        meanSquares: [String: MeanSquares] = [:], panelBytes: Int = 16 << 20, stop: String? = nil
    ) throws -> (bundle: Bundle, reports: [TensorReport]) {
        let weights = try BundleWeights(source)
        let plan = try QuantizationPlan(recipe, graph, weights.weights)
        let writer = try BundleWriter(
            OutputPath(path, inputs: []), fingerprint: recipe.json, plan: plan.descriptions)
        let quantizer = try Quantizer(
            plan, threads: threads, meanSquares: meanSquares, panelBytes: panelBytes)
        let reports = try quantizer.run(weights, into: writer) { event throws(Failure) in
            guard case .tensor(let report) = event, report.name == stop else { return }
            try writer.checkpoint()
            throw Failure(.interrupted, "stopped")
        }
        try writer.finish(graph: graph.json, metadata: .object([]), tokenizer: [])
        return (try Bundle(path), reports)
    }
}

@Suite struct QuantizerTests {
    @Test func quantizesByRoleAndKeepsTheRest() throws {
        let directory = try TemporaryDirectory()
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        let (bundle, reports) = try toy.quantize(source, Recipe(named: "int4"), to: directory.file("int4"))
        let (four, eight) = (
            TensorEncoding.groups(try format(.four, 32)), TensorEncoding.groups(try format(.eight, 32))
        )
        #expect(bundle.tensors.map(\.encoding) == [eight, four, .float(.float32), .float(.float32), four])
        #expect(bundle.tensors.map(\.sources) == source.tensors.map(\.sources))
        #expect(
            bundle.tensors.map(\.note) == ["weighted search", "weighted search", "", "", "weighted search"])
        for name in ["up.bias", "norm"] {
            let kept = try #require(bundle[name])
            let original = try #require(source[name])
            #expect(bundle.bytes(of: kept).bytes.elementsEqual(source.bytes(of: original).bytes))
        }
        for (index, weight) in toy.weights.enumerated() where weight.shape.rank == 2 {
            let format = index == 0 ? try format(.eight, 32) : try format(.four, 32)
            let fitted = try Fitted(weight.values, columns: weight.shape.extents[1], format, .search)
            #expect(bundle.bytes(of: bundle.tensors[index]).bytes.elementsEqual(fitted.bytes))
            #expect(reports[index].distortion == fitted.distortion)
            #expect(reports[index].effectiveBits == fitted.geometry.bitsPerWeight)
        }
        #expect(reports[2].effectiveBits == 32 && reports[2].distortion.decibels == .infinity)
    }

    @Test func threadsAndRepetitionGiveTheSameBundle() throws {
        let directory = try TemporaryDirectory()
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        let recipe = try Recipe(named: "int4")
        let digests = try [1, 1, 2, 5].enumerated().map { index, threads in
            try toy.quantize(source, recipe, to: directory.file("\(index)"), threads: threads).bundle.digest
        }
        #expect(Set(digests).count == 1)
    }

    @Test func goesOnWhereItWasInterrupted() throws {
        let directory = try TemporaryDirectory()
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        let (recipe, path) = (try Recipe(named: "int8"), directory.file("int8"))
        let error = #expect(throws: Failure.self) {
            try toy.quantize(source, recipe, to: path, stop: "up.weight")
        }
        #expect(error?.kind == .interrupted)
        #expect(!Path.exists(path))
        let (bundle, reports) = try toy.quantize(source, recipe, to: path)
        #expect(reports.map(\.name) == ["up.bias", "norm", "down"])
        let whole = try toy.quantize(source, recipe, to: directory.file("whole")).bundle
        #expect(bundle.digest == whole.digest)
    }

    @Test(arguments: [("down", 41, "[1, 8]"), ("norm", 3, "[0, 3]")])
    func namesTheWeightThatIsNoNumber(tensor: String, index: Int, place: String) throws {
        let directory = try TemporaryDirectory()
        let toy = try Toy()
        let source = try toy.write(directory.file("full")) { name, values in
            if name == tensor { values[index] = .nan }
        }
        let error = #expect(throws: Failure.self) {
            try toy.quantize(source, Recipe(named: "int4"), to: directory.file("out"))
        }
        #expect(error?.kind == .badInput)
        #expect(error?.place == "tensor '\(tensor)' \(place)")
    }

    @Test func refusesWhatIsQuantizedAlready() throws {
        let directory = try TemporaryDirectory()
        let toy = try Toy()
        let source = try toy.write(directory.file("full"))
        let bundle = try toy.quantize(source, Recipe(named: "int8"), to: directory.file("int8")).bundle
        let error = #expect(throws: Failure.self) { try BundleWeights(bundle) }
        #expect(error?.place == "tensor 'table'")
        #expect(error?.remedy == "start from the bundle of full precision")
    }

    @Test func plansOnlyWhatFitsTheModel() throws {
        let toy = try Toy()
        let weights = toy.weights.map { SourceWeight(name: $0.name, shape: $0.shape, type: .bfloat16) }
        let recipe = Recipe("r", rules: [.init(["text.*"], .keep), .init(["txet.*"], .keep)])
        let plan = try QuantizationPlan(recipe, toy.graph, weights)
        #expect(plan.effectiveBits == 16)
        #expect(plan.idleRules == [recipe.rules[1]])
        #expect(throws: Failure.self) { try QuantizationPlan(recipe, toy.graph, Array(weights.dropFirst())) }
        let turned = try #require(Shape.matrix(40, 50))
        let other = SourceWeight(name: "table", shape: turned, type: .bfloat16)
        #expect(throws: Failure.self) {
            try QuantizationPlan(recipe, toy.graph, [other] + weights.dropFirst())
        }
    }

    @Test func manyPanelsMakeTheSameTensor() throws {
        let (rows, columns) = (33, 200)
        let directory = try TemporaryDirectory()
        var builder = ModelGraphBuilder()
        try builder.weight("w", [rows, columns])
        try builder.begin("text")
        let x = try builder.input("x", .rows(.symbol(.tokens), columns))
        try builder.output(try builder.add(.linear(.init(.init("w", Role("text.mlp.up")))), x))
        let graph = try builder.finish()
        let values = (0..<rows * columns).map { Float(($0 &* 7919) % 1009) - 300 }
        let format = try format(.four, 128)
        let source = Lent(name: "w", shape: graph.weights[0].shape, values: values)
        let recipe = Recipe("r", rules: [.init(["*"], .groups(format, .nearest))])
        let plan = try QuantizationPlan(recipe, graph, source.weights)
        let path = directory.file("out")
        let writer = try BundleWriter(
            OutputPath(path, inputs: []), fingerprint: "toy", plan: plan.descriptions)
        var done: [Int] = []
        try Quantizer(plan, threads: 2, panelBytes: 1).run(source, into: writer) { event throws(Failure) in
            if case .panel(_, let bytes, let total) = event, total == values.count * 4 { done.append(bytes) }
        }
        #expect(done == [16, 32, 33].map { $0 * columns * 4 })
        try writer.finish(graph: graph.json, metadata: .object([]), tokenizer: [])
        let bundle = try Bundle(path)
        let whole = try Fitted(values, columns: columns, format, .nearest)
        #expect(bundle.bytes(of: bundle.tensors[0]).bytes.elementsEqual(whole.bytes))
    }
}

/// One weight in memory.
private struct Lent: WeightSource {
    let weights: [SourceWeight]
    let values: [Float]

    init(name: String, shape: Shape, values: [Float]) {
        weights = [SourceWeight(name: name, shape: shape, type: .float32)]
        self.values = values
    }

    func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let columns = weights[index].shape.extents[1]
        let result = values[rows.lowerBound * columns..<rows.upperBound * columns].withUnsafeBytes { bytes in
            Result { () throws(Failure) in try body(bytes) }
        }
        try result.get()
    }

    func withTiles(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) { throw .badInput("has floats only") }
}
