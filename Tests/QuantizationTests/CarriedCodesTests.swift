import Bundles
import GraphIR
import GroupFormats
import Quantization
import Storage
import TestSupport
import Testing

/// Published codes in a bundle that is quantized.
@Suite struct CarriedCodesTests {
    private static let (rows, columns) = (35, 200)
    let directory: TemporaryDirectory
    let graph: ModelGraph
    let eight: GroupFormat
    let geometry: PublishedGeometry
    let tiles: [UInt8]

    init() throws {
        directory = try TemporaryDirectory()
        var builder = ModelGraphBuilder()
        try builder.weight("w", [CarriedCodesTests.rows, CarriedCodesTests.columns])
        try builder.begin("text")
        let x = try builder.input("x", .rows(.symbol(.tokens), CarriedCodesTests.columns))
        try builder.output(try builder.add(.linear(.init(.init("w", Role("text.mlp.up")))), x))
        graph = try builder.finish()
        eight = try format(.eight, 64)
        let geometry = try #require(PublishedGeometry(.zeroPoints(eight), graph.weights[0].shape))
        self.geometry = geometry
        var numbers = Numbers(3)
        tiles = (0..<geometry.tileCount).flatMap { _ in Self.tile(geometry, &numbers) }
    }

    private static func tile(_ geometry: PublishedGeometry, _ numbers: inout Numbers) -> [UInt8] {
        let sides = geometry.groupCount * 16
        let scales = numbers.weights(sides).map { Float16($0 / 100) }
        let zeros = (0..<sides).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 90) }
        let codes = (0..<sides * 64).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
        var tile = [UInt8](repeating: 0, count: geometry.tileBytes)
        tile.withUnsafeMutableBytes { tile in
            codes.withUnsafeBufferPointer { codes in
                scales.withUnsafeBufferPointer { scales in
                    zeros.withUnsafeBufferPointer { zeros in
                        geometry.pack(codes: codes, scales: scales, zeros: zeros, into: tile)
                    }
                }
            }
        }
        return tile
    }

    private func write(_ bytes: [UInt8], _ encoding: TensorEncoding? = nil) throws -> Bundle {
        let plan = [
            try TensorDescription(
                name: "w", shape: graph.weights[0].shape, encoding: encoding ?? .zeroPoints(eight),
                sources: ["s"], note: "GPTQ codes carried over exactly")
        ]
        let path = directory.file("source")
        let writer = try BundleWriter(
            OutputPath(path, replacing: true, inputs: []), fingerprint: "toy", plan: plan)
        try writer.append(bytes, to: 0)
        try writer.finish(graph: graph.json, metadata: .object([]), tokenizer: [])
        return try Bundle(path)
    }

    private func quantize(_ source: Bundle, _ choice: Recipe.Choice) throws -> (TensorEntry, [UInt8], JSON) {
        let weights = try BundleWeights(source)
        let plan = try QuantizationPlan(
            Recipe("r", rules: [.init(["*"], choice)]), graph, weights.weights)
        let writer = try BundleWriter(
            OutputPath(directory.file("out"), replacing: true, inputs: []), fingerprint: "toy",
            plan: plan.descriptions)
        try Quantizer(plan, threads: 2, panelBytes: 1).run(weights, into: writer)
        try writer.finish(graph: graph.json, metadata: .object([]), tokenizer: [])
        let bundle = try Bundle(directory.file("out"))
        return (
            bundle.tensors[0], Array(bundle.bytes(of: bundle.tensors[0]).bytes),
            plan.entering(into: .object([]))
        )
    }

    private var values: [Float] {
        (0..<CarriedCodesTests.rows).flatMap { row in
            var floats = [Float](repeating: 0, count: CarriedCodesTests.columns)
            tiles.withUnsafeBytes { tiles in
                floats.withUnsafeMutableBufferPointer { geometry.read(row: row, of: tiles, into: $0) }
            }
            return floats
        }
    }

    @Test func theyStayWhereTheRecipeHasNoFewerBits() throws {
        let source = try write(tiles)
        for choice in [Recipe.Choice.keep, .groups(try format(.eight, 32), .search)] {
            let (entry, bytes, ledger) = try quantize(source, choice)
            #expect(entry.encoding == .zeroPoints(eight) && bytes == tiles)
            #expect(entry.note == "GPTQ codes carried over exactly" && entry.sources == ["s"])
            let published = try #require(ledger["published"])
            #expect(
                published["summary"]?.string
                    == "1 weights of published codes: 1 carried over exactly, 0 dequantized")
            #expect(published["weights"]?["w"]?.string == entry.note)
        }
    }

    @Test func fewerBitsAreFittedToWhatTheyStandFor() throws {
        let four = try format(.four, 32)
        let (entry, bytes, ledger) = try quantize(try write(tiles), .groups(four, .nearest))
        #expect(entry.encoding == .groups(four))
        #expect(
            entry.note
                == "GPTQ codes carried over exactly; dequantized: the recipe gives it 4 bits; rounded to nearest"
        )
        #expect(ledger["published"]?["weights"]?["w"]?.string == entry.note)
        let fitted = try Fitted(values, columns: CarriedCodesTests.columns, four, .nearest)
        #expect(bytes == fitted.bytes)
    }

    /// The second panel's first scale of its third row; a bundle is not believed either way.
    @Test(arguments: [Recipe.Choice.keep, .groups(GroupFormat.all[0], .nearest)])
    func aScaleThatIsNoNumber(choice: Recipe.Choice) throws {
        var bytes = tiles
        bytes.replaceSubrange(geometry.tileBytes + 4..<geometry.tileBytes + 6, with: [0, 0x7E])
        let source = try write(bytes)
        let error = #expect(throws: Failure.self) { try quantize(source, choice) }
        #expect(error?.kind == .badInput && error?.place == "tensor 'w'")
        #expect(error?.message == "the scale of row 18, group 0, is nan")
    }

    /// Tiles whose scales and biases are finite, the rest of them the same byte everywhere.
    private static func plainTiles(_ geometry: PublishedGeometry) -> [UInt8] {
        let isFloat4 = if case .float4 = geometry.encoding { true } else { false }
        // 0x3C3C is near 1 as float16 and 0.01 as float32.
        return [UInt8](repeating: isFloat4 ? 0x3E : 0x3C, count: geometry.byteCount)
    }

    private static let others = [
        "int4-g64-f16b", "int5-g32-f16", "int6-g64-f16b", "int8-g128-f16b", "mxfp4", "nvfp4",
    ]

    /// Each encoding of published codes stays as it is, or is read as the floats that it stands for.
    @Test(arguments: others)
    func everyEncodingIsCarried(name: String) throws {
        let encoding = try #require(TensorEncoding(name))
        let geometry = try #require(PublishedGeometry(encoding, graph.weights[0].shape))
        let tiles = Self.plainTiles(geometry)
        let source = try write(tiles, encoding)
        let weights = try BundleWeights(source)
        #expect(weights.weights[0].type == .float32)
        #expect(weights.weights[0].codes == PublishedCodes(nil, .exact(encoding)))
        let (entry, bytes, _) = try quantize(source, .groups(try format(.eight, 32), .search))
        #expect(entry.encoding == encoding && bytes == tiles)
        var floats = [Float](repeating: .nan, count: 2 * geometry.columns)
        try weights.withRows(16..<18, of: 0) { floats = Array($0.bindMemory(to: Float.self)) }
        var row = [Float](repeating: .nan, count: geometry.columns)
        tiles.withUnsafeBytes { tiles in
            row.withUnsafeMutableBufferPointer { geometry.read(row: 17, of: tiles, into: $0) }
        }
        #expect(floats.count == 2 * geometry.columns && Array(floats[geometry.columns...]) == row)
        #expect(row.contains { $0 != 0 && $0.isFinite })
    }

    /// Not where the recipe has fewer bits.
    @Test(arguments: others)
    func everyEncodingYieldsToFewerBits(name: String) throws {
        let encoding = try #require(TensorEncoding(name))
        let geometry = try #require(PublishedGeometry(encoding, graph.weights[0].shape))
        let source = try write(Self.plainTiles(geometry), encoding)
        let four = try format(.four, 32)
        let isFour = geometry.format.bits == .four
        let (entry, _, _) = try quantize(source, .groups(four, .nearest))
        #expect(entry.encoding == (isFour ? encoding : .groups(four)))
    }

    /// A bias and an 8-bit scale that are no numbers.
    @Test(arguments: [
        ("int4-g64-f16b", 1, "bias", 34), ("mxfp4", 0, "scale", 128), ("nvfp4", 0, "scale", 128),
    ])
    func aNumberThatIsNone(name: String, row: Int, part: String, offset: Int) throws {
        let encoding = try #require(TensorEncoding(name))
        let geometry = try #require(PublishedGeometry(encoding, graph.weights[0].shape))
        var tiles = Self.plainTiles(geometry)
        tiles.replaceSubrange(offset..<offset + 2, with: [0xFF, 0xFF])
        let source = try write(tiles, encoding)
        let error = #expect(throws: Failure.self) { try quantize(source, .keep) }
        #expect(error?.message == "the \(part) of row \(row), group 0, is nan")
    }

    @Test func floatsAreNotCounted() throws {
        let plan = try QuantizationPlan(
            Recipe("r", rules: []), graph,
            [SourceWeight(name: "w", shape: graph.weights[0].shape, type: .float32)])
        #expect(plan.codesSummary == nil)
        #expect(plan.entering(into: ["a"]) == ["a"])
    }
}
