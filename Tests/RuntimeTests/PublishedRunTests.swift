import GraphIR
import GroupFormats
import Runtime
import Storage
import Testing
import Threads

/// A table of published codes is embedded as the floats that they stand for, and multiplied nearly as those are.
@Suite struct PublishedRunTests {
    private static let (rows, columns) = (83, 72)
    private static let tokens: [Int32] = [0, 15, 16, 82, 40]
    private let shape: Shape
    private let pool: ThreadPool

    init() throws {
        shape = try #require(Shape.matrix(Self.rows, Self.columns))
        pool = try ThreadPool(threads: 2)
    }

    /// The embeddings of the tokens, or what the table makes of them when it is the head as well.
    private func run(_ table: LentWeight, isHead: Bool) throws -> [Float] {
        var builder = ModelGraphBuilder()
        try builder.weight("table", [Self.rows, Self.columns])
        try builder.begin("text")
        let ids = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        var x = try builder.add(.embedding(.init(.init("table", Role("text.embedding")))), ids)
        if isHead { x = try builder.add(.linear(.init(.init("table", Role("text.head")))), x) }
        try builder.output(x)
        let graph = try builder.finish()
        let runner = try PartRunner(GraphPart(try graph.graph("text")), graph.weights, pool: pool) { _ in
            table
        }
        return try runner(Extents(tokens: Self.tokens.count), [.indices(Self.tokens)]) { Array($0[0]) }
    }

    @Test(arguments: [
        "int4-g128-f16", "int5-g32-f16", "int6-g64-f16", "int4-g64-f16b", "int5-g32-f16b", "int6-g128-f16b",
        "int8-g16-f16b", "mxfp4", "nvfp4",
    ])
    func runsAsTheFloatsThatItStandsFor(name: String) throws {
        let geometry = try #require(TensorEncoding(name).flatMap { PublishedGeometry($0, shape) })
        let (tiles, floats) = (Bytes(geometry.byteCount), Bytes(Self.rows * Self.columns * 4))
        // Any bytes are codes; these are scales, biases, factors and divisors that are numbers.
        let codes = geometry.paddedColumns * 2 * geometry.format.bits.rawValue
        for place in 0..<geometry.byteCount {
            let isCode = place % geometry.tileBytes >= geometry.tileBytes - codes
            tiles.bytes[place] = isCode ? UInt8(truncatingIfNeeded: place &* 7919 >> 4) : 0x5E
        }
        let values = floats.bytes.bindMemory(to: Float.self)
        for row in 0..<Self.rows {
            geometry.read(
                row: row, of: UnsafeRawBufferPointer(tiles.bytes),
                into: UnsafeMutableBufferPointer(
                    rebasing: values[row * Self.columns..<(row + 1) * Self.columns]))
        }
        let coded = LentWeight(
            geometry.encoding, shape, UnsafeRawBufferPointer(tiles.bytes), owner: tiles)
        let plain = LentWeight(
            .float(.float32), shape, UnsafeRawBufferPointer(floats.bytes), owner: floats)
        let embedded = try run(coded, isHead: false)
        #expect(embedded == (try run(plain, isHead: false)) && embedded.contains { $0 != 0 })
        let (own, exact) = (try run(coded, isHead: true), try run(plain, isHead: true))
        // Activations of 8 bits are within 1/254 of the largest of their group.
        let size = exact.reduce(0) { max($0, abs($1)) }
        #expect(size > 0 && zip(own, exact).allSatisfy { abs($0 - $1) < 0.01 * size })
    }
}

private final class Bytes {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
}
