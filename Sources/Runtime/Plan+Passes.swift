import GraphIR

extension Plan {
    /// Steps that are run together: all rows at once, or, where each row of what they write comes of the same row of what they
    /// read, some rows at a time, so that what lives only between them takes little memory.
    struct Pass {
        let steps: Range<Int>
        /// The rows that are taken some at a time; nil where all are taken at once.
        let rows: Dimension?
        /// The matrices that its steps read, experts' apart, of which most are not.
        let matrices: [Int]

        /// Rows at a time, of `count`: as even as can be.
        static func blockRows(of count: Int) -> Int {
            let blocks = max(1, (count + most - 1) / most)
            return (count + blocks - 1) / blocks
        }

        /// Fewer would read weights more often than they are worth; these are still shared among many threads.
        private static let most = 512
    }

    /// Divides the steps into passes, and lets what reaches beyond one live through all of it: its first rows are written before
    /// its last are read.
    mutating func findPasses() {
        var start = 0
        var rows: Dimension?
        for (index, step) in steps.enumerated() {
            let own = type(of: step).isRowwise ? commonRows(of: step) : nil
            if own != rows {
                addPass(start..<index, rows)
                (start, rows) = (index, own)
            }
            // What a residual stream gathers ends here, and the memory of what was added to it is free for what comes.
            if step is Sum {
                addPass(start..<index + 1, rows)
                (start, rows) = (index + 1, nil)
            }
        }
        addPass(start..<steps.count, rows)
    }

    private mutating func addPass(_ range: Range<Int>, _ rows: Dimension?) {
        guard !range.isEmpty else { return }
        let touched = Set(steps[range].flatMap { $0.accesses(in: self).map(\.buffer) })
        let inner =
            rows == nil
            ? []
            : touched.filter {
                guard case .symbol = buffers[$0].rows else { return false }
                return range.lowerBound <= buffers[$0].live.lowerBound
                    && buffers[$0].live.upperBound < range.upperBound
            }
        if !inner.isEmpty {
            for buffer in touched {
                if inner.contains(buffer) {
                    buffers[buffer].pass = passes.count
                } else {
                    buffers[buffer].extendLife(to: range.lowerBound)
                    buffers[buffer].extendLife(to: range.upperBound - 1)
                }
            }
        }
        let matrices = steps[range].flatMap { $0.matrices(in: self) }
        passes.append(Pass(steps: range, rows: inner.isEmpty ? nil : rows, matrices: matrices))
    }

    /// The rows that all of a step's operands have, where a run's extents say how many they are.
    private func commonRows(of step: any Step) -> Dimension? {
        let rows = step.accesses(in: self).map { access in
            if case .rows(let operand) = access.part { operand.rows } else { buffers[access.buffer].rows }
        }
        guard case .symbol? = rows.first, rows.allSatisfy({ $0 == rows[0] }) else { return nil }
        return rows[0]
    }

    /// The extents by which a buffer is sized where passes go by blocks of rows.
    func blockExtents(of buffer: Int, _ extents: Extents) -> Extents {
        guard let rows = buffers[buffer].pass.flatMap({ passes[$0].rows }) else { return extents }
        return extents.replacing(rows, by: Pass.blockRows(of: extents(rows)))
    }
}
