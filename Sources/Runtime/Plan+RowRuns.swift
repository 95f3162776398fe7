import GraphIR

extension Plan {
    /// Steps that make each row of what they write of the same row of what they read. They are run over some rows at a time, so
    /// that what lives only between them takes little memory.
    struct RowRun {
        let steps: Range<Int>
        let rows: Dimension

        /// Rows at a time, of `count`: as even as can be.
        static func blockRows(of count: Int) -> Int {
            let blocks = max(1, (count + most - 1) / most)
            return (count + blocks - 1) / blocks
        }

        /// Fewer would read weights more often than they are worth; these are still shared among many threads.
        private static let most = 512
    }

    /// Finds the runs, and lets what reaches beyond one live through all of it: its first rows are written before its last are read.
    mutating func findRowRuns() {
        var start = 0
        var rows: Dimension?
        func close(_ end: Int, in plan: inout Plan) {
            if let rows, end > start { plan.addRowRun(RowRun(steps: start..<end, rows: rows)) }
        }
        for (index, step) in steps.enumerated() {
            let own = step.isRowwise ? commonRows(of: step) : nil
            if own != rows {
                close(index, in: &self)
                (start, rows) = (index, own)
            }
            // What a residual stream gathers ends here, and the memory of what was added to it is free for what comes.
            if case .add = step {
                close(index + 1, in: &self)
                (start, rows) = (index + 1, nil)
            }
        }
        close(steps.count, in: &self)
    }

    private mutating func addRowRun(_ run: RowRun) {
        let touched = Set(steps[run.steps].flatMap { $0.accesses(in: self).map(\.buffer) })
        let inner = touched.filter {
            guard case .symbol = buffers[$0].rows else { return false }
            return run.steps.lowerBound <= buffers[$0].live.lowerBound
                && buffers[$0].live.upperBound < run.steps.upperBound
        }
        guard !inner.isEmpty else { return }
        for buffer in touched {
            if inner.contains(buffer) {
                buffers[buffer].rowRun = rowRuns.count
            } else {
                buffers[buffer].extendLife(to: run.steps.lowerBound)
                buffers[buffer].extendLife(to: run.steps.upperBound - 1)
            }
        }
        rowRuns.append(run)
    }

    /// The rows that all of a step's operands have, where a run's size says how many they are.
    private func commonRows(of step: Step) -> Dimension? {
        let rows = step.accesses(in: self).map { access in
            if case .rows(let operand) = access.part { operand.rows } else { buffers[access.buffer].rows }
        }
        guard case .symbol? = rows.first, rows.allSatisfy({ $0 == rows[0] }) else { return nil }
        return rows[0]
    }

    /// The extents by which a buffer is sized where runs go by blocks of rows.
    func blockExtents(of buffer: Int, _ extents: Extents) -> Extents {
        guard let run = buffers[buffer].rowRun.map({ rowRuns[$0] }) else { return extents }
        return extents.replacing(run.rows, by: RowRun.blockRows(of: extents(run.rows)))
    }
}

extension Plan.Step {
    /// Whether rows of what it writes depend on nothing but the same rows of what it reads.
    fileprivate var isRowwise: Bool {
        switch self {
        case .quantize, .packedProducts, .floatProducts, .rmsNorm, .layerNorm, .activate, .gate, .add, .copy:
            true
        default: false
        }
    }
}
