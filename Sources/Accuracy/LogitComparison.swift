import Runtime
import Storage

/// The logits of two runs, a few rows at a time: all of them at once would take gigabytes.
struct LogitComparison {
    private let base: Engine
    private let other: Engine

    init(_ base: Engine, _ other: Engine) {
        self.base = base
        self.other = other
    }

    /// Rows whose logits are in memory together.
    private static let batch = 32

    /// Shows the logits of each row of final hidden states of both.
    /// - Throws: `mismatch` when there are not as many of both, or of other vocabularies.
    func run(
        _ baseHidden: Engine.Rows, _ otherHidden: Engine.Rows,
        _ body: (_ row: Int, _ base: UnsafeBufferPointer<Float>, _ other: UnsafeBufferPointer<Float>) -> Void
    ) throws(Failure) {
        guard baseHidden.count == otherHidden.count, base.vocabulary == other.vocabulary else {
            throw Failure(.mismatch, "the two runs have logits of other sizes")
        }
        for start in stride(from: 0, to: baseHidden.count, by: LogitComparison.batch) {
            let rows = start..<min(baseHidden.count, start + LogitComparison.batch)
            let p = try base.logits(LogitComparison.slice(baseHidden, rows)).values
            let q = try other.logits(LogitComparison.slice(otherHidden, rows)).values
            let width = base.vocabulary
            p.withUnsafeBufferPointer { p in
                q.withUnsafeBufferPointer { q in
                    for row in rows {
                        let range = (row - start) * width..<(row - start + 1) * width
                        body(
                            row, UnsafeBufferPointer(rebasing: p[range]),
                            UnsafeBufferPointer(rebasing: q[range]))
                    }
                }
            }
        }
    }

    private static func slice(_ rows: Engine.Rows, _ range: Range<Int>) -> Engine.Rows {
        Engine.Rows(
            values: Array(rows.values[range.lowerBound * rows.columns..<range.upperBound * rows.columns]),
            columns: rows.columns)
    }
}
