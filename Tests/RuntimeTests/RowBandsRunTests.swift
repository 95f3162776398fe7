import GraphIR
import GroupFormats
import Quantization
import Runtime
import Storage
import Testing
import Threads

/// A table of tokens whose rows are in several formats gives, row by row, what it gives in each format alone.
@Suite struct RowBandsRunTests {
    private static let (rows, columns) = (83, 72)
    private let graph: ModelGraph
    private let values: [Float]
    private let pool: ThreadPool

    init() throws {
        var builder = ModelGraphBuilder()
        try builder.weight("table", [Self.rows, Self.columns])
        try builder.weight("bias", [Self.rows])
        try builder.begin("text")
        let ids = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        let x = try builder.add(.embedding(.init(.init("table", Role("text.embedding")))), ids)
        try builder.output(
            try builder.add(.linear(.init(.init("table", Role("text.head")), bias: "bias")), x))
        graph = try builder.finish()
        values = (0..<Self.rows * Self.columns).map { Float(($0 &* 7919) % 1013) / 500 - 1 }
        pool = try ThreadPool(threads: 2)
    }

    /// The table in an encoding, each run of rows fitted by itself.
    private func table(_ encoding: TensorEncoding) throws -> LentWeight {
        let shape = try #require(Shape.matrix(Self.rows, Self.columns))
        let tiles = Bytes(try #require(encoding.byteCount(shape)))
        for run in encoding.codedRows(shape) {
            let part = values[run.rows.lowerBound * Self.columns..<run.rows.upperBound * Self.columns]
            try Array(part).withUnsafeBytes { rows in
                _ = try GroupFitter(run.geometry, .search).fit(
                    rows, .float32, into: UnsafeMutableRawBufferPointer(rebasing: tiles.bytes[run.bytes]),
                    pool)
            }
        }
        return LentWeight(encoding, shape, UnsafeRawBufferPointer(tiles.bytes), owner: tiles)
    }

    /// The logits of tokens: embedded by one table, multiplied with another.
    private func logits(_ tokens: [Int32], _ encoding: TensorEncoding) throws -> [Float] {
        let bias = Bytes(Self.rows * 4)
        for row in 0..<Self.rows {
            bias.bytes.storeBytes(of: Float(row), toByteOffset: row * 4, as: Float.self)
        }
        let shape = try #require(Shape(checking: [Self.rows]))
        let lent = LentWeight(.float(.float32), shape, UnsafeRawBufferPointer(bias.bytes), owner: bias)
        let table = try table(encoding)
        let runner = try PartRunner(GraphPart(try graph.graph("text")), graph.weights, pool: pool) { name in
            name == "table" ? table : lent
        }
        return try runner(Extents(tokens: tokens.count), [.indices(tokens)]) { Array($0[0]) }
    }

    // With one quantized form of the activations for all, and with two.
    @Test(arguments: ["int8-g32+16:int5-g64+48:int4-g32", "int6-g32+32:int4-g16+64:int4-g128"])
    func everyBandIsAsItWouldBeAlone(name: String) throws {
        let encoding = try #require(TensorEncoding(name))
        let shape = try #require(Shape.matrix(Self.rows, Self.columns))
        let runs = encoding.codedRows(shape)
        for run in runs {
            // Tokens of this band only: their embeddings are those of its format.
            let tokens = [run.rows.lowerBound, run.rows.upperBound - 1].map { Int32($0) }
            let banded = try logits(tokens, encoding)
            let alone = try logits(tokens, .groups(run.geometry.format))
            for token in tokens.indices {
                let own = run.rows.map { token * Self.rows + $0 }
                #expect(own.map { banded[$0].bitPattern } == own.map { alone[$0].bitPattern })
            }
            #expect(banded.allSatisfy { $0.isFinite })
        }
    }

    @Test func otherUsesRefuseBands() throws {
        var builder = ModelGraphBuilder()
        try builder.weight("queries", [64, 40])
        try builder.begin("text")
        _ = try builder.input("ids", ValueType(.index, [.symbol(.tokens)]))
        try builder.output(try builder.add(.parameter(.init("queries"))))
        let graph = try builder.finish()
        let encoding = try #require(TensorEncoding("int8-g32+16:int4-g32"))
        let shape = try #require(Shape.matrix(64, 40))
        let bytes = Bytes(try #require(encoding.byteCount(shape)))
        let failure = #expect(throws: Failure.self) {
            try PartRunner(GraphPart(try graph.graph("text")), graph.weights, pool: pool) { _ in
                LentWeight(encoding, shape, UnsafeRawBufferPointer(bytes.bytes), owner: bytes)
            }
        }
        #expect(failure?.message.contains("several formats") == true)
    }
}

private final class Bytes {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) {
        bytes = .allocate(byteCount: count, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }
}
