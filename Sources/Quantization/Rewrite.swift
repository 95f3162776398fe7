/// How a weight changes with others so that the model computes the same: Wʹ = R·W·C, R and C made of changes one after the other.
///
/// Changes of rows and of columns do not meet, so only the order on each side matters: a step's changes come after those of
/// the steps before it. A vector, such as a norm's weight or a bias, is a column: rows only.
struct Rewrite: Sendable, Equatable {
    /// A change of rows, or of columns.
    enum Change: Sendable, Equatable {
        /// Each is multiplied by its own factor.
        case scale([Float])
        /// Runs of them are turned; of columns, so that what reads them turns back.
        case turn(Turn)
        /// Each becomes 1: a norm's weight, after it went into the columns of what reads the norm.
        case unit
    }

    /// Of rows, in order.
    private(set) var rows: [Change]
    /// Of columns, in order.
    private(set) var columns: [Change]
    /// What asked for them, in order.
    private(set) var steps: [Recipe.Step]

    /// What one step changes.
    init(_ step: Recipe.Step, rows: [Change] = [], columns: [Change] = []) {
        self.rows = rows
        self.columns = columns
        steps = [step]
    }

    /// These changes, then others.
    func then(_ next: Rewrite) -> Rewrite {
        var both = self
        both.rows += next.rows
        both.columns += next.columns
        both.steps += next.steps.filter { !steps.contains($0) }
        return both
    }

    /// What was done, for people.
    var note: String { steps.compactMap(\.note).joined(separator: ", ") }

    /// These rows, and those that make them together with them.
    func whole(_ wanted: Range<Int>) -> Range<Int> {
        rows.reversed().reduce(wanted) { range, change in
            if case .turn(let turn) = change { turn.whole(range) } else { range }
        }
    }

    /// Makes of x what the changed weight is multiplied by instead: W·x = Wʹ·xʹ, but for rows.
    func mapInputs(_ x: UnsafeMutableBufferPointer<Float>) {
        for change in columns {
            switch change {
            // Where a factor is 0, x had been multiplied by it, and nothing is known of xʹ.
            case .scale(let factors):
                for index in x.indices { x[index] = factors[index] == 0 ? 0 : x[index] / factors[index] }
            case .turn(let turn): turn.apply(x)
            case .unit: break
            }
        }
    }

    /// Changes whole runs of rows in place; `first` is the number of the first.
    func apply(to values: UnsafeMutableBufferPointer<Float>, columns count: Int, first: Int) {
        let rowCount = values.count / max(1, count)
        for row in 0..<rowCount {
            let line = UnsafeMutableBufferPointer(rebasing: values[row * count..<(row + 1) * count])
            for change in columns {
                switch change {
                case .scale(let factors): for index in line.indices { line[index] *= factors[index] }
                case .turn(let turn): turn.apply(line)
                case .unit: line.update(repeating: 1)
                }
            }
        }
        for change in rows {
            switch change {
            case .scale(let factors):
                for index in values.indices { values[index] *= factors[first + index / count] }
            case .turn(let turn): turn.apply(toRows: values, columns: count, first: first)
            case .unit: values.update(repeating: 1)
            }
        }
    }
}

extension Recipe.Step {
    /// What it does to a weight, for people.
    fileprivate var note: String? {
        switch self {
        case .fold: "scaled by channels"
        case .turnHeads: "heads turned"
        case .turnResidual: "residual stream turned"
        case .correctBiases: nil
        }
    }
}

extension [String: Rewrite] {
    /// These changes of weights, then others.
    func then(_ next: [String: Rewrite]) -> [String: Rewrite] { merging(next) { $0.then($1) } }
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
