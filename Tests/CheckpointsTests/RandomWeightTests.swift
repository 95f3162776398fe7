import Storage
import Testing

@testable import Checkpoints

/// Noise that stands in for weights.
@Suite struct RandomWeightTests {
    private func weight(_ name: String, _ type: ElementType, _ extents: [Int]) throws -> RandomWeight {
        let shape = try #require(Shape(checking: extents))
        return try RandomWeight(StoredWeight(describing: name, type, shape))
    }

    private func values(_ weight: RandomWeight, _ rows: Range<Int>) throws -> [Float] {
        var bytes = [UInt8](repeating: 0, count: rows.count * weight.rowLength * weight.type.width)
        try bytes.withUnsafeMutableBytes { try weight.readRows(rows, into: $0) }
        return bytes.withUnsafeBytes { bytes in
            (0..<rows.count * weight.rowLength).map { index in
                switch weight.type {
                case .float32: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                default:
                    Float(
                        bitPattern: UInt32(
                            bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
                }
            }
        }
    }

    private func moments(_ values: [Float]) -> (mean: Float, deviation: Float) {
        let mean = values.reduce(0, +) / Float(values.count)
        let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
        return (mean, square.squareRoot())
    }

    /// Rows do not depend on what is read beside them, and differ by row and by name.
    @Test func rowsAreTheSameEveryTime() throws {
        let weight = try weight("a.weight", .bfloat16, [8, 96])
        let all = try values(weight, 0..<8)
        #expect(try values(weight, 3..<5) == Array(all[3 * 96..<5 * 96]))
        #expect(all[..<96] != all[96..<192])
        #expect(try values(self.weight("b.weight", .bfloat16, [8, 96]), 0..<8) != all)
    }

    /// As far as 65,536 draws tell: 1 % of a deviation.
    @Test(arguments: [[256, 256], [16, 16, 256], [256, 4, 8, 8]]) func sizesAreThoseOfTraining(extents: [Int])
        throws
    {
        let weight = try weight("x.weight", .float32, extents)
        let (mean, deviation) = try moments(values(weight, 0..<65536 / 256))
        #expect(abs(mean) < 0.01 * deviation)
        #expect(abs(deviation * 16 / 0.7 - 1) < 0.01)
    }

    @Test func normsAreOneAndBiasesNothing() throws {
        let norm = try moments(values(weight("norm.weight", .float32, [4096]), 0..<4096))
        let bias = try moments(values(weight("q.bias", .float32, [4096]), 0..<4096))
        #expect(abs(norm.mean - 1) < 0.002 && abs(bias.mean) < 0.002)
        #expect(abs(norm.deviation - 0.02) < 0.002 && abs(bias.deviation - 0.02) < 0.002)
    }

    @Test func integersAreRefused() throws {
        #expect(throws: Failure.self) { try weight("x.weight", .int8, [4, 4]) }
    }
}
