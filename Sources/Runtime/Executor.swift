import CKernels
import GraphIR
import Storage
import Threads

/// Runs a plan whose buffers have been given their places.
struct Executor {
    let plan: Plan
    let layout: ArenaLayout
    /// Of the rows that are being computed.
    var extents: Extents
    let arena: UnsafeMutableRawPointer
    /// What the caller gave, by input; index inputs are Int32, others Float.
    let inputs: [UnsafeRawPointer?]
    let weights: Weights
    let pool: ThreadPool
    let cache: SequenceCache?
    let largeProduct: LargeProduct?
    let streaming: WeightStreaming?
    /// The block of rows that is being computed in a pass.
    private var block: Block?

    private struct Block {
        let pass: Int
        /// The first of its rows.
        let first: Int
        /// The rows of the whole pass.
        let whole: Extents
    }

    init(
        _ run: PlanRun, _ layout: ArenaLayout, _ extents: Extents, arena: UnsafeMutableRawPointer,
        inputs: [UnsafeRawPointer?], cache: SequenceCache?
    ) {
        (plan, weights, pool) = (run.plan, run.weights, run.pool)
        (largeProduct, streaming) = (run.largeProduct, run.streaming)
        (self.layout, self.extents, self.arena, self.inputs) = (layout, extents, arena, inputs)
        self.cache = cache
    }

    /// Runs all passes, some of them over blocks of rows.
    func runInBlocks() {
        guard let streaming else {
            for (number, pass) in plan.passes.enumerated() { run(pass, number) }
            return
        }
        for (number, pass) in plan.passes.enumerated() {
            // Reading is at work while these steps are.
            let ahead = plan.passes[(number + 1)...].first { !$0.matrices.isEmpty }
            streaming.expect(ahead?.matrices ?? [])
            run(pass, number)
            streaming.release(pass.matrices)
        }
    }

    private func run(_ pass: Plan.Pass, _ number: Int) {
        guard let rows = pass.rows else {
            for step in plan.steps[pass.steps] { step.run(in: self) }
            return
        }
        let count = extents(rows)
        let size = Plan.Pass.blockRows(of: count)
        var part = self
        for first in stride(from: 0, to: count, by: max(1, size)) {
            part.extents = extents.replacing(rows, by: min(size, count - first))
            part.block = Block(pass: number, first: first, whole: extents)
            for step in plan.steps[pass.steps] { step.run(in: part) }
        }
    }

    /// Runs all steps over all rows; shows every named value to `observer` when it is ready.
    func run(_ observer: Observer) {
        var mark = 0
        for (index, step) in plan.steps.enumerated() {
            step.run(in: self)
            while mark < plan.marks.count, plan.marks[mark].step == index {
                let operand = plan.marks[mark].operand
                let count = extents(operand.rows) * operand.columns
                observer(
                    plan.marks[mark].name, UnsafeBufferPointer(start: floats(operand), count: count),
                    operand.columns)
                mark += 1
            }
        }
    }

    // MARK: Places

    /// Where an operand's first element is. Only arena operands are ever written.
    func floats(_ operand: Plan.Operand) -> UnsafeMutablePointer<Float> {
        let base: UnsafeMutableRawPointer
        if case .input(let index) = plan.buffers[operand.buffer].kind {
            base = UnsafeMutableRawPointer(mutating: inputs[index] ?? UnsafeRawPointer(arena))
        } else {
            base = arena + layout.offsets[operand.buffer]
        }
        return base.assumingMemoryBound(to: Float.self) + firstRow(in: operand.buffer) * operand.pitch
            + operand.column
    }

    /// The row of a buffer's operands with which the block begins; what lives within the pass holds the block alone.
    private func firstRow(in buffer: Int) -> Int {
        guard let block, plan.buffers[buffer].pass != block.pass else { return 0 }
        return block.first
    }

    /// A buffer of integers: an input's or one in the arena.
    func indices(_ buffer: Int) -> UnsafeMutablePointer<Int32> {
        if case .input(let index) = plan.buffers[buffer].kind {
            let base = inputs[index] ?? UnsafeRawPointer(arena)
            return UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: Int32.self)
        }
        return (arena + layout.offsets[buffer]).assumingMemoryBound(to: Int32.self)
    }

    func activations(_ buffer: Int) -> tsr_activations {
        guard case .activations(let columns, let group) = plan.buffers[buffer].kind else {
            // The compiler names such buffers only where it made them.
            return tsr_activations()
        }
        let layout = ActivationLayout(columns: columns, group: group)
        let held = plan.buffers[buffer]
        // A buffer of rows beyond the block has the layout of all of them.
        let rows = (held.pass == block?.pass ? extents : block?.whole ?? extents)(held.rows) * held.copies
        let (first, base) = (firstRow(in: buffer), arena + self.layout.offsets[buffer])
        return tsr_activations(
            codes: base.assumingMemoryBound(to: Int8.self) + first * layout.paddedColumns,
            scales: (base + layout.scalesOffset(rows: rows)).assumingMemoryBound(to: Float.self)
                + first * layout.groups,
            sums: (base + layout.sumsOffset(rows: rows)).assumingMemoryBound(to: Float.self)
                + first * layout.groups,
            tokens: extents(held.rows) * held.copies, padded_columns: layout.paddedColumns,
            groups: layout.groups)
    }

    /// Shares the rows of an operand among the threads, some 16 thousand elements at a time.
    func forRows(of x: Plan.Operand, _ body: (Range<Int>) -> Void) {
        pool.run(extents(x.rows), grain: max(1, 16384 / max(1, x.columns)), body)
    }
}

/// Is shown the rows of a named value: its name, its elements row after row, and the number of columns.
public typealias Observer = (_ name: String, _ rows: UnsafeBufferPointer<Float>, _ columns: Int) -> Void
