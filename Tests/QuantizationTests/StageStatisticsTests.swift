import Storage
import Testing
import Threads

@testable import Calibration

/// Figures of a stage's inputs, against plain loops.
@Suite struct StageStatisticsTests {
    @Test(arguments: [1, 15, 16, 33, 256, 301])
    func figuresAreThoseOfTheRows(columns: Int) throws {
        var numbers = Numbers(23)
        let count = 9
        let rows = numbers.weights(columns * count).enumerated().map {
            $0.offset % 13 == 5 ? 40 * $0.element : $0.element
        }
        let statistics = StageStatistics(columns: columns, rows: count)
        let pool = try ThreadPool(threads: 2)
        for part in [0..<2, 2..<count] {
            let values = Array(rows[part.lowerBound * columns..<part.upperBound * columns])
            values.withUnsafeBufferPointer { statistics.add($0, pool) }
        }
        statistics.finish()
        var peaks: [Double] = []
        for size in StageStatistics.groupSizes {
            for first in stride(from: 0, to: columns, by: size) {
                let sum = (0..<count).reduce(0.0) { sum, row in
                    let group = rows[row * columns + first..<row * columns + min(columns, first + size)]
                    let peak = Double(group.map(abs).max() ?? 0)
                    return sum + peak * peak
                }
                peaks.append(sum / Double(count))
            }
        }
        #expect(statistics.peaks.count == peaks.count)
        #expect(zip(statistics.peaks, peaks).allSatisfy { abs(Double($0) - $1) <= 1e-6 * $1 })
        let summary = try statistics.summary()
        #expect(summary.rows == count)
        #expect(
            summary.minimum == rows.min().map(Double.init) && summary.maximum == rows.max().map(Double.init))
        let squares = rows.map { Double($0) * Double($0) }
        let mean = squares.reduce(0, +) / Double(rows.count)
        let kurtosis = squares.reduce(0) { $0 + $1 * $1 } / Double(rows.count) / (mean * mean)
        #expect(abs(summary.kurtosis / kurtosis - 1) < 1e-5)
    }

    /// Half of the rows stand for all, where the inputs are wide and there is no lack of rows; other figures are of all of them.
    @Test func halfOfTheRowsStandForAll() throws {
        let columns = 4100
        let pool = try ThreadPool(threads: 2)
        for (announced, isHalved) in [(7 * columns, true), (7 * columns - 1, false)] {
            let statistics = StageStatistics(columns: columns, rows: announced)
            let rows = (0..<3 * columns).map { Float($0 / columns + 1) }
            rows.withUnsafeBufferPointer { statistics.add($0, pool) }
            statistics.finish()
            // Rows of 1, 2 and 3: the first and the last.
            let square: Float = isHalved ? (1 + 9) * 1.5 : 1 + 4 + 9
            #expect(statistics.moments.diagonal == Array(repeating: square, count: columns))
            #expect(statistics.moments.count == 3 && statistics.peaks[0] == Float(1 + 4 + 9) / 3)
            #expect(try statistics.summary().rows == 3 && statistics.summary().maximum == 3)
        }
    }
}
