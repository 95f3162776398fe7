import GroupFormats
import Storage
import Testing
import Threads

@testable import Calibration
@testable import Quantization

/// The factor that errors are handed on by.
@Suite struct MomentFactorTests {
    private static func moments(_ columns: Int, rows: Int) throws -> SecondMoments {
        var numbers = Numbers(17)
        let sources = numbers.weights(rows * (columns + 1))
        var inputs = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                // Neighbours have something in common, and columns differ in size.
                let own = sources[row * (columns + 1) + column]
                let common = sources[row * (columns + 1) + column / 8]
                inputs[row * columns + column] = (own + 3 * common) * (column % 7 == 0 ? 5 : 1)
            }
        }
        let moments = SecondMoments(columns: columns)
        let pool = try ThreadPool(threads: 2)
        inputs.withUnsafeBufferPointer { moments.add($0, pool) }
        return moments
    }

    private static func factor(_ moments: SecondMoments, _ damping: Double, threads: Int) throws
        -> MomentFactor
    {
        try MomentFactor(
            moments, groupSize: 32, damping: damping, shrinkage: 0.3, ThreadPool(threads: threads))
    }

    /// R Rᵀ is H, with R[k,j] = feedback · R[j,j], one panel of columns and more; and H is what it is said to be.
    @Test(arguments: [(5, 0.1), (96, 0.003), (300, 0.01), (530, 0.1)])
    func itIsThatOfTheMoments(columns: Int, damping: Double) throws {
        let moments = try Self.moments(columns, rows: 2 * columns)
        let factor = try Self.factor(moments, damping, threads: 2)
        #expect(factor.damping == damping)
        let order = factor.order.columns
        func r(_ k: Int, _ j: Int) -> Double {
            let pivot = Double(factor.importance[j]).squareRoot()
            return k == j ? pivot : Double(factor.feedback[k * columns + j]) * pivot
        }
        let mean = moments.trace / moments.weight / Double(columns)
        for a in Swift.stride(from: 0, to: columns, by: 7) {
            for b in Swift.stride(from: a, to: columns, by: 5) {
                let product = (b..<columns).reduce(0.0) { $0 + r(a, $1) * r(b, $1) }
                let expected = Double(factor.moments[order[a] * columns + order[b]])
                #expect(abs(product - expected) < 1e-4 * mean, "\(a) \(b)")
                let plain = Double(moments[order[a], order[b]]) / moments.weight
                let asked = a == b ? plain + damping * mean : 0.7 * plain
                #expect(abs(expected - asked) < 1e-5 * mean, "\(a) \(b)")
            }
        }
    }

    @Test func threadsDoNotChangeIt() throws {
        let moments = try Self.moments(700, rows: 300)
        let (one, three) = (
            try Self.factor(moments, 0.1, threads: 1), try Self.factor(moments, 0.1, threads: 3)
        )
        #expect(one.importance == three.importance)
        for row in 0..<700 {
            let above = row * 700 + row + 1..<(row + 1) * 700
            #expect(one.feedback[above].elementsEqual(three.feedback[above]))
        }
    }

    /// Of columns that are copies of each other, with hardly any damping: it takes more, and says so.
    @Test func whatIsSingularIsDampedMore() throws {
        let columns = 64
        let moments = SecondMoments(columns: columns)
        let pool = try ThreadPool(threads: 1)
        let rows = (0..<2 * columns).map { Float($0 / columns + 1) * 1000 }
        rows.withUnsafeBufferPointer { moments.add($0, pool) }
        let factor = try MomentFactor(moments, groupSize: 32, damping: 1e-12, shrinkage: 0, pool)
        #expect(factor.damping > 1e-12 && factor.importance.allSatisfy { $0 > 0 && $0.isFinite })
    }
}
