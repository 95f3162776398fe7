import Calibration
import GraphIR
import GroupFormats
import Storage
import TestSupport
import Testing
import Threads

@testable import Quantization

/// Changes of weights that leave what a model computes as it is.
@Suite struct RewriteTests {
    /// Weights in memory.
    private struct Weights: WeightSource {
        let weights: [SourceWeight]
        let values: [[Float]]

        init(_ tensors: [(name: String, extents: [Int], values: [Float])]) throws {
            weights = try tensors.map {
                SourceWeight(name: $0.name, shape: try #require(Shape(checking: $0.extents)), type: .float32)
            }
            values = tensors.map(\.values)
        }

        func withRows(
            _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
        ) throws(Failure) {
            let width = weights[index].columnCount
            let part = Array(values[index][rows.lowerBound * width..<rows.upperBound * width])
            try part.withBytes(body)
        }

        func withTiles(
            _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
        ) throws(Failure) { throw .badInput("has no tiles") }
    }

    private func read(_ source: some WeightSource, _ index: Int, by step: Int) throws -> [Float] {
        var values: [Float] = []
        let count = source.weights[index].rowCount
        for first in stride(from: 0, to: count, by: step) {
            try source.withRows(first..<min(first + step, count), of: index) {
                values += $0.floats(source.weights[index].type)
            }
        }
        return values
    }

    private func product(_ matrix: [Float], _ x: [Float]) -> [Float] {
        stride(from: 0, to: matrix.count, by: x.count).map { start -> Float in
            var sum = 0.0
            for column in x.indices { sum += Double(matrix[start + column]) * Double(x[column]) }
            return Float(sum)
        }
    }

    private func isClose(_ a: [Float], _ b: [Float]) -> Bool {
        let scale = b.map(abs).max() ?? 1
        return a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 * scale }
    }

    /// Values made, averaged with weights that differ by head, and read: with turned heads the same comes out.
    @Test(arguments: [(64, 1), (80, 2), (72, 3), (6, 2), (16, 4)])
    func turnedHeadsComputeTheSame(size: Int, keyHeads: Int) throws {
        var numbers = Numbers(UInt64(size))
        let (width, heads, before) = (40, 2 * keyHeads, 5)
        let made = before + keyHeads * size
        let values = numbers.weights(made * width)
        let bias = numbers.weights(made)
        let reading = numbers.weights(width * heads * size)
        let source = try Weights([
            ("v", [made, width], values), ("b", [made], bias), ("o", [width, heads * size], reading),
        ])
        // Rows before the values, as of queries in a fused weight, stay.
        let rows = Turn(range: before..<made, size: size)
        let turned = RewrittenWeights(
            source,
            [
                "v": Rewrite(.turnHeads, rows: [.turn(rows)]),
                "b": Rewrite(.turnHeads, rows: [.turn(rows)]),
                "o": Rewrite(.turnHeads, columns: [.turn(Turn(range: 0..<heads * size, size: size))]),
            ])
        func output(_ source: some WeightSource, step: Int) throws -> [Float] {
            let v = try read(source, 0, by: step)
            let b = try read(source, 1, by: 1)
            let o = try read(source, 2, by: step)
            var mixed = [Float](repeating: 0, count: heads * size)
            var inputs = Numbers(7)
            for (share, _) in zip([0.3, 0.7], 0..<2) {
                let made = zip(product(v, inputs.weights(width)), b).map(+)
                for head in 0..<heads {
                    for column in 0..<size {
                        mixed[head * size + column] +=
                            Float(share) * made[before + head / 2 * size + column]
                    }
                }
            }
            return product(o, mixed) + v[..<(before * width)]
        }
        let plain = try output(source, step: 16)
        #expect(isClose(try output(turned, step: 16), plain))
        #expect(try output(turned, step: 16) == output(turned, step: 48))
        #expect(try read(turned, 0, by: 16) != read(source, 0, by: 16) || rows.block == 1)
    }

    @Test func scaledColumnsComputeTheSame() throws {
        var numbers = Numbers(3)
        let scales = numbers.weights(48).map { abs($0) + 0.1 }
        let source = try Weights([
            ("norm", [48], numbers.weights(48)), ("w", [20, 48], numbers.weights(20 * 48)),
        ])
        let scaled = RewrittenWeights(
            source,
            [
                "norm": Rewrite(.fold, rows: [.scale(scales.map { 1 / $0 })]),
                "w": Rewrite(.fold, columns: [.scale(scales)]),
            ])
        func output(_ source: some WeightSource) throws -> [Float] {
            var inputs = Numbers(9)
            let normed = zip(try read(source, 0, by: 1), inputs.weights(48)).map(*)
            return product(try read(source, 1, by: 16), normed)
        }
        #expect(isClose(try output(scaled), try output(source)))
        #expect(try read(scaled, 1, by: 16) != read(source, 1, by: 16))
    }

    /// A stream that is written, normed and read; turned, then with its norm's new columns scaled, it makes the same, whatever
    /// the order in which rows are asked for.
    @Test(arguments: [48, 64, 80])
    func aTurnedStreamComputesTheSame(width: Int) throws {
        var numbers = Numbers(UInt64(width))
        let (inner, outputs) = (24, 40)
        var factors = numbers.weights(width)
        factors[5] = 0
        let source = try Weights([
            ("table", [7, width], numbers.weights(7 * width)),
            ("down", [width, inner], numbers.weights(width * inner)),
            ("bias", [width], numbers.weights(width)),
            ("norm", [width], factors), ("up", [outputs, width], numbers.weights(outputs * width)),
        ])
        let stream = ResidualStream(
            width: width,
            writers: [
                .init(weight: "table", bias: nil, part: .columns(0..<width)),
                .init(weight: "down", bias: "bias", part: .rows(0..<width)),
            ], readers: [.init(norm: "norm", linears: ["up"])])
        let scales = numbers.weights(width).map { abs($0) + 0.1 }
        let turned = try stream.rewrites(source)
        let scaled = turned.then([
            "norm": Rewrite(.fold, rows: [.scale(scales.map { 1 / $0 })]),
            "up": Rewrite(.fold, columns: [.scale(scales)]),
        ])
        func output(_ source: some WeightSource, step: Int) throws -> [Float] {
            var inputs = Numbers(9)
            let table = try read(source, 0, by: step)
            let made = product(try read(source, 1, by: step), inputs.weights(inner))
            let biased = zip(made, try read(source, 2, by: 1)).map(+)
            let stream = zip(biased, table[2 * width..<3 * width]).map(+)
            let length = (stream.reduce(0) { $0 + $1 * $1 } / Float(width)).squareRoot()
            let normed = zip(stream.map { $0 / length }, try read(source, 3, by: 1)).map(*)
            return product(try read(source, 4, by: step), normed)
        }
        let plain = try output(source, step: 16)
        for rewrites in [turned, scaled] {
            let changed = RewrittenWeights(source, rewrites)
            #expect(isClose(try output(changed, step: 16), plain))
            #expect(try output(changed, step: 16) == output(changed, step: 48))
            for index in [0, 1, 2, 4] {
                #expect(try !isClose(read(changed, index, by: 1), read(source, index, by: 1)))
            }
        }
        let changed = RewrittenWeights(source, turned)
        #expect(try read(changed, 3, by: 1) == Array(repeating: 1, count: width))
        #expect(changed.weights[4].note == "residual stream turned")
    }

    private func moments(_ inputs: [Float], _ columns: Int) throws -> SecondMoments {
        let moments = SecondMoments(columns: columns)
        let pool = try ThreadPool(threads: 1)
        inputs.withUnsafeBufferPointer { moments.add($0, pool) }
        return moments
    }

    @Test func mappedMomentsAreThoseOfMappedInputs() throws {
        var numbers = Numbers(5)
        let (columns, count) = (24, 100)
        var inputs = numbers.weights(columns * count)
        let turn = Turn(range: 8..<24, size: 16)
        let mapped = try moments(inputs, columns).mapped { turn.apply($0) }
        inputs.withUnsafeMutableBufferPointer { inputs in
            for row in 0..<count {
                turn.apply(UnsafeMutableBufferPointer(rebasing: inputs[row * columns..<(row + 1) * columns]))
            }
        }
        let direct = try moments(inputs, columns)
        for i in 0..<columns {
            #expect(isClose((0..<columns).map { mapped[i, $0] }, (0..<columns).map { direct[i, $0] }))
        }
        #expect(isClose(mapped.mean, direct.mean))
    }

    @Test func centredMomentsAreThoseOfDeviations() throws {
        var numbers = Numbers(6)
        let (columns, count) = (12, 80)
        var inputs = numbers.weights(columns * count)
        for index in inputs.indices { inputs[index] += 0.02 * Float(index % columns) }
        let all = try moments(inputs, columns)
        for index in inputs.indices { inputs[index] -= all.mean[index % columns] }
        let direct = try moments(inputs, columns)
        let centred = all.centred()
        for i in 0..<columns {
            #expect(isClose((0..<columns).map { centred[i, $0] }, (0..<columns).map { direct[i, $0] }))
        }
    }

    /// With a corrected bias the mean output is that of the exact weight.
    @Test func correctedBiasesKeepTheMean() throws {
        var numbers = Numbers(8)
        let (rows, columns) = (37, 64)
        let weights = numbers.weights(rows * columns)
        let mean = numbers.weights(columns).map { $0 + 1 }
        let bias = numbers.weights(rows)
        let source = try Weights([("b", [rows], bias), ("w", [rows, columns], weights)])
        let geometry = try makeGeometry(try format(.four, 64), rows, columns)
        var tiles = [UInt8](repeating: 0, count: geometry.byteCount)
        let pool = try ThreadPool(threads: 1)
        let corrected = try weights.withUnsafeBytes { weights in
            try tiles.withUnsafeMutableBytes { tiles in
                _ = try GroupFitter(geometry, .nearest).fit(weights, .float32, into: tiles, pool)
                return try CorrectedBias.values(
                    source, bias: 0, weight: 1, geometry, UnsafeRawBufferPointer(tiles), mean: mean)
            }
        }
        var stored = [Float](repeating: 0, count: rows * columns)
        stored.withUnsafeMutableBufferPointer { stored in
            tiles.withUnsafeBytes { tiles in
                for row in 0..<rows {
                    geometry.read(
                        row: row, of: tiles,
                        into: UnsafeMutableBufferPointer(
                            rebasing: stored[row * columns..<(row + 1) * columns]))
                }
            }
        }
        let exact = zip(product(weights, mean), bias).map(+)
        let rounded = product(stored, mean)
        #expect(isClose(zip(rounded, corrected).map(+), exact))
        #expect(!isClose(zip(rounded, bias).map(+), exact))
    }
}
