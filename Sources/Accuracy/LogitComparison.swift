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

    /// Compares the logits of each row of final hidden states of both.
    /// - Parameters:
    ///   - targets: for each row the token that follows, if known.
    ///   - places: the rows' numbers in their sequence.
    /// - Throws: `mismatch` when there are not as many of both, or of other vocabularies.
    func add(
        _ baseHidden: Engine.Rows, _ otherHidden: Engine.Rows, targets: [Int32?], places: [Int],
        to divergence: inout Divergence
    ) throws(Failure) {
        guard targets.count == baseHidden.count, places.count == targets.count else {
            throw Failure(.mismatch, "the two runs have logits of other sizes")
        }
        try batches(baseHidden, otherHidden) { (rows, p, q) throws(Failure) in
            try divergence.add(
                base: p, other: q, targets: Array(targets[rows]), places: Array(places[rows]), base.pool)
        }
    }

    private func batches(
        _ baseHidden: Engine.Rows, _ otherHidden: Engine.Rows,
        _ body: (Range<Int>, UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        guard baseHidden.count == otherHidden.count, base.vocabulary == other.vocabulary else {
            throw Failure(.mismatch, "the two runs have logits of other sizes")
        }
        for start in stride(from: 0, to: baseHidden.count, by: LogitComparison.batch) {
            let rows = start..<min(baseHidden.count, start + LogitComparison.batch)
            let p = try base.logits(LogitComparison.slice(baseHidden, rows)).values
            let q = try other.logits(LogitComparison.slice(otherHidden, rows)).values
            try p.withUnsafeBufferPointer { (p) throws(Failure) in
                try q.withUnsafeBufferPointer { (q) throws(Failure) in try body(rows, p, q) }
            }
        }
    }

    private static func slice(_ rows: Engine.Rows, _ range: Range<Int>) -> Engine.Rows {
        Engine.Rows(
            values: Array(rows.values[range.lowerBound * rows.columns..<range.upperBound * rows.columns]),
            columns: rows.columns)
    }
}
