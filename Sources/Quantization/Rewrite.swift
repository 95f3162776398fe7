internal import Glibc

/// How a weight changes with others so that the model computes the same: Wʹ = R·diag(r)·W·diag(c)·C, R and C orthogonal.
///
/// A vector, such as a norm's weight or a bias, is a column: rows only.
struct Rewrite: Sendable, Equatable {
    /// r.
    var rowScales: [Float]?
    /// c.
    var columnScales: [Float]?
    /// R turns runs of these rows.
    var rowTurn: Turn?
    /// C turns runs of these columns back.
    var columnTurn: Turn?

    /// What was done, for people.
    var note: String {
        var parts: [String] = []
        if rowScales != nil || columnScales != nil { parts.append("scaled by channels") }
        if rowTurn != nil || columnTurn != nil { parts.append("heads turned") }
        return parts.joined(separator: ", ")
    }
}

/// An orthogonal map of each of consecutive runs of `size` elements in a range: signs, then a Walsh–Hadamard transform over 2^k of
/// them at a time, 2^k the largest power of two that divides the size.
struct Turn: Sendable, Equatable {
    let range: Range<Int>
    let size: Int

    /// 2^k.
    var block: Int { size & -size }

    /// These elements, and those that share a run with one of them.
    func whole(_ elements: Range<Int>) -> Range<Int> {
        guard elements.overlaps(range) else { return elements }
        let first = max(0, elements.lowerBound - range.lowerBound) / block * block
        let last = (min(elements.upperBound, range.upperBound) - range.lowerBound + block - 1) / block * block
        return min(
            elements.lowerBound, range.lowerBound + first)..<max(
                elements.upperBound, range.lowerBound + last)
    }

    /// Turns the elements of a row in place.
    func apply(_ row: UnsafeMutableBufferPointer<Float>) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: block) {
            let run = UnsafeMutableBufferPointer(rebasing: row[start..<start + block])
            for index in run.indices where Turn.isNegative(index) { run[index] = -run[index] }
            Turn.transform(run)
        }
    }

    /// Turns columns of `count` elements each, which lie side by side: `rows[i·stride + j]` is element i of column j.
    /// - Parameter first: the number of the first row at hand; runs that are not wholly at hand stay.
    func apply(toRows rows: UnsafeMutableBufferPointer<Float>, columns: Int, first: Int) {
        let count = rows.count / max(1, columns)
        var column = [Float](repeating: 0, count: block)
        let starts = stride(from: range.lowerBound, to: range.upperBound, by: block)
        for start in starts where start >= first && start + block <= first + count {
            for place in 0..<columns {
                for index in 0..<block {
                    let value = rows[(start - first + index) * columns + place]
                    column[index] = Turn.isNegative(index) ? -value : value
                }
                column.withUnsafeMutableBufferPointer { Turn.transform($0) }
                for index in 0..<block { rows[(start - first + index) * columns + place] = column[index] }
            }
        }
    }

    /// Signs that look random and are the same for each run: without them, a constant run would turn into a spike.
    private static func isNegative(_ index: Int) -> Bool {
        var bits = UInt32(truncatingIfNeeded: index &+ 1) &* 0x9E37_79B1
        bits ^= bits >> 15
        bits = bits &* 0x85EB_CA77
        return (bits >> 16) & 1 == 1
    }

    /// The Walsh–Hadamard transform of 2^k elements, divided by √2^k: its own inverse.
    private static func transform(_ values: UnsafeMutableBufferPointer<Float>) {
        var width = 1
        while width < values.count {
            for start in stride(from: 0, to: values.count, by: 2 * width) {
                for index in start..<start + width {
                    let (a, b) = (values[index], values[index + width])
                    values[index] = a + b
                    values[index + width] = a - b
                }
            }
            width *= 2
        }
        let scale = 1 / Float(values.count).squareRoot()
        for index in values.indices { values[index] *= scale }
    }
}
