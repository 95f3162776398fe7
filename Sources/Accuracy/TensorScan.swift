import Bundles
import GroupFormats
import Storage
import Threads

/// A tensor of two bundles read once, row by row: how far apart it is, and which rows and groups stand out.
struct TensorScan {
    /// A group of columns of one row.
    struct Group {
        let row: Int
        let columns: Range<Int>
        /// Of the group among those of its row.
        let index: Int
        /// ‖a − b‖ / ‖a‖, a group much weaker than its row counted as a tenth of the row's mean.
        let error: Double
        /// How much one more of a is of b, where that is clearly not 1.
        let slope: Double?
    }

    /// Over all values.
    let sums: PairSums
    /// What the encodings should cost.
    let expected: Double
    /// The row with the largest relative error, and that error; the first that is not finite, if any.
    let worstRow: (row: Int, error: Double)
    /// The group with the largest relative error.
    let worstGroup: Group?
    /// Rows that are further away than rounding to codes explains.
    let strangeRows: [Int]
    /// Groups with a clear slope, the largest errors first, at most one a row and 64.
    let slopedGroups: [Group]

    /// Rounding leaves rows within some 2 times the tensor's error: 4 times is out of line. Beyond 0.7 a row has nearly
    /// nothing of the base's, whatever the encoding.
    private static let rowFactor = 4.0, rowLimit = 0.7
    /// The square of a group's error is seldom 3 times that of its tensor: its range is what varies.
    private static let groupFactor = 4.5
    /// Of many million groups none is 8 standard errors away by chance.
    private static let deviations = 8.0
    /// Values of a panel of rows.
    private static let panelValues = 1 << 24
    /// Slopes nearer to 1 may come of clipped outliers.
    private static let slopeDistance = 0.08

    /// Reads both.
    init(_ base: StoredRows, _ other: StoredRows, _ pool: ThreadPool) {
        let expected = ExpectedError(base, other).relative
        let figures = TensorScan.figures(base, other, expected, pool)
        let sums = figures.reduce(into: PairSums()) { $0 += $1.sums }
        // A row of nothing is not infinitely wrong for a rounding error.
        let least = 1e-4 * sums.base / Double(max(1, figures.count))
        let errors = figures.map { PairSums.relative($0.sums.difference, to: max($0.sums.base, least)) }
        let median = Median.of(errors)
        let limit = min(
            TensorScan.rowFactor * max(min(median, 2 * expected), expected), TensorScan.rowLimit)
        let worst = errors.indices.max { errors[$0] < errors[$1] } ?? 0
        self.sums = sums
        self.expected = expected
        worstRow = (worst, errors.isEmpty ? 0 : errors[worst])
        worstGroup = figures.compactMap(\.worst).max { $0.error < $1.error }
        strangeRows = errors.indices.filter { errors[$0] > limit }
        slopedGroups = Array(
            figures.compactMap(\.sloped).sorted { $0.error > $1.error }.prefix(64))
    }

    /// The relative error of all values.
    var error: Double { sums.relativeError }

    private struct RowFigures {
        var sums = PairSums()
        var worst: Group?
        var sloped: Group?
    }

    private static func figures(
        _ base: StoredRows, _ other: StoredRows, _ expected: Double, _ pool: ThreadPool
    ) -> [RowFigures] {
        let groupSize = other.groupSize ?? base.groupSize ?? 32
        let columns = base.columns
        return [RowFigures](unsafeUninitializedCapacity: base.rows) { out, count in
            out.initialize(repeating: RowFigures())
            let figures = UnsafeMutableBufferPointer(rebasing: out[..<base.rows])
            // Pages that were read may go before the next panel is.
            let panel = max(16, panelValues / max(1, columns))
            for start in stride(from: 0, to: base.rows, by: panel) {
                pool.run(min(panel, base.rows - start), grain: 16) { part in
                    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * columns)
                    defer { memory.deallocate() }
                    let a = UnsafeMutableBufferPointer(rebasing: memory[..<columns])
                    let b = UnsafeMutableBufferPointer(rebasing: memory[columns...])
                    for row in start + part.lowerBound..<start + part.upperBound {
                        base.read(row, into: a)
                        other.read(row, into: b)
                        figures[row] = TensorScan.figures(
                            UnsafeBufferPointer(a), UnsafeBufferPointer(b), row, groupSize, expected)
                    }
                }
                base.release()
                other.release()
            }
            count = base.rows
        }
    }

    private static func figures(
        _ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>, _ row: Int, _ groupSize: Int,
        _ expected: Double
    ) -> RowFigures {
        var figures = RowFigures()
        let starts = stride(from: 0, to: a.count, by: groupSize)
        let groups = starts.map { start in
            let run = start..<min(start + groupSize, a.count)
            return PairSums(UnsafeBufferPointer(rebasing: a[run]), UnsafeBufferPointer(rebasing: b[run]))
        }
        for group in groups { figures.sums += group }
        let least = 0.1 * figures.sums.base / Double(max(1, groups.count))
        for (index, group) in groups.enumerated() {
            let squared = group.difference / max(group.base, least, .leastNormalMagnitude)
            let isFar = squared > groupFactor * expected * expected
            let slope = isFar ? clearSlope(group) : nil
            guard slope != nil || squared > (figures.worst?.error ?? -1) * (figures.worst?.error ?? 0) else {
                continue
            }
            let first = index * groupSize
            let found = Group(
                row: row, columns: first..<min(first + groupSize, a.count), index: index,
                error: squared.squareRoot(), slope: slope)
            if found.error > figures.worst?.error ?? -1 { figures.worst = found }
            if slope != nil, found.error > figures.sloped?.error ?? -1 { figures.sloped = found }
        }
        return figures
    }

    /// The slope of a group, where it is clearly not 1.
    private static func clearSlope(_ group: PairSums) -> Double? {
        guard let slope = group.slope, slope.deviations > deviations, abs(slope.factor - 1) > slopeDistance
        else { return nil }
        return slope.factor
    }
}

/// The middle of some numbers.
enum Median {
    /// The lower of the two in the middle, where there are two: what half of an even number share is no outlier.
    static func of(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        return values.sorted()[(values.count - 1) / 2]
    }
}
