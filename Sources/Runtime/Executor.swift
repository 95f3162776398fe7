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
    let cache: KeyValueCache?
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
        inputs: [UnsafeRawPointer?], cache: KeyValueCache?
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
            for step in plan.steps[pass.steps] { run(step) }
            return
        }
        let count = extents(rows)
        let size = Plan.Pass.blockRows(of: count)
        var part = self
        for first in stride(from: 0, to: count, by: max(1, size)) {
            part.extents = extents.replacing(rows, by: min(size, count - first))
            part.block = Block(pass: number, first: first, whole: extents)
            for step in plan.steps[pass.steps] { part.run(step) }
        }
    }

    /// Runs all steps over all rows; shows every named value to `observer` when it is ready.
    func run(_ observer: Observer) {
        var mark = 0
        for (index, step) in plan.steps.enumerated() {
            run(step)
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

    // MARK: Steps

    private func run(_ step: Plan.Step) {
        switch step {
        case .embed(let bands, let ids, let result): embed(bands, indices(ids), result)
        case .quantize(let x, let group, let into): quantize(x, group, into)
        case .packedProducts(let range, let buffer): packedProducts(range, activations(buffer))
        case .floatProducts(let range, let x): floatProducts(range, x)
        case .expertProducts(let step): expertProducts(step)
        case .parameter(let weight, let result):
            forRows(of: result) { rows in
                for row in rows { readRow(row, of: weight, into: floats(result) + row * result.pitch) }
            }
        case .positionTable(let weight, let kind, let coordinates, let segments, let result):
            fillPositions(weight, kind, indices(coordinates), indices(segments), result)
        case .rmsNorm(let x, let heads, let weight, let epsilon, let result):
            normalise(x, heads, weights.vectors[weight], epsilon, result)
        case .layerNorm(let x, let weight, let bias, let epsilon, let result):
            forRows(of: x) { rows in
                tsr_layer_norm(
                    floats(x) + rows.lowerBound * x.pitch, x.pitch, weights.vectors[weight],
                    weights.vectors[bias], epsilon,
                    rows.count, x.columns, floats(result) + rows.lowerBound * result.pitch, result.pitch)
            }
        case .activate(let kind, let x, let result):
            forRows(of: x) { rows in
                let offset = rows.lowerBound * x.columns
                tsr_activate(kind.kernel, floats(x) + offset, rows.count * x.columns, floats(result) + offset)
            }
        case .gate(let kind, let gate, let up, let result):
            forRows(of: gate) { rows in
                let offset = rows.lowerBound * gate.columns
                tsr_gated_product(
                    kind.kernel, floats(gate) + offset, floats(up) + offset, rows.count * gate.columns,
                    floats(result) + offset)
            }
        case .add(let a, let b, let result):
            forRows(of: a) { rows in
                let offset = rows.lowerBound * a.columns
                tsr_add(
                    floats(a) + offset, floats(b) + offset, rows.count * a.columns, floats(result) + offset)
            }
        case .copy(let x, let result): copyRows(x, to: result) { $0 }
        case .select(let x, let index, let result):
            let index = indices(index)
            copyRows(x, to: result) { Int(index[$0]) }
        case .scatter(let x, let rows, let index): scatter(x, rows, indices(index))
        case .addRows(let x, let rows, let index): addRows(x, rows, indices(index))
        case .route(let scores, let chosen, let result): route(scores, chosen, result)
        case .weightedSum(let x, let routes, let chosen, let result): sum(x, routes, chosen, result)
        case .rotaryTable(let table, let positions, let length, let result):
            let length = length.map { Int(indices($0)[0]) } ?? 0
            fill(plan.rotaryTables[table], promptLength: length, indices(positions), result)
        case .rotate(let x, let table, let heads, let headDimension): rotate(x, table, heads, headDimension)
        case .attendCausally(let q, let k, let v, let attention, let layer, let result):
            attendCausally(q, k, v, attention, layer, result)
        case .attendInSegments(let q, let k, let v, let attention, let boundaries, let tiles, let result):
            attendInSegments(q, k, v, attention, indices(boundaries), tiles, result)
        case .lengthScale(let x, let positions, let length): scaleByLength(x, indices(positions), length)
        case .windows(let coordinates, let segments, let side, let into):
            findWindows(indices(coordinates), indices(segments), side, into)
        case .attendInWindows(let q, let k, let v, let attention, let windows, let isCoded, let result):
            attendInWindows(q, k, v, attention, indices(windows), isCoded, result)
        case .attendToAll(let q, let k, let v, let attention, let tiles, let result):
            attendToAll(q, k, v, attention, tiles, result)
        }
    }

    /// Shares the rows of an operand among the threads, some 16 thousand elements at a time.
    func forRows(of x: Plan.Operand, _ body: (Range<Int>) -> Void) {
        pool.run(extents(x.rows), grain: max(1, 16384 / max(1, x.columns)), body)
    }

    private func embed(_ bands: Range<Int>, _ ids: UnsafePointer<Int32>, _ result: Plan.Operand) {
        for row in 0..<extents(result.rows) {
            var (number, band) = (Int(ids[row]), bands.lowerBound)
            while band + 1 < bands.upperBound, number >= weights.matrices[band].rows {
                number -= weights.matrices[band].rows
                band += 1
            }
            readRow(number, of: band, into: floats(result) + row * result.pitch)
        }
    }

    /// One row of a matrix as floats.
    func readRow(_ row: Int, of weight: Int, into target: UnsafeMutablePointer<Float>) {
        switch weights.matrices[weight] {
        case .packed(var packed): tsr_packed_row(&packed, row, target)
        case .float(let type, let base, _, let columns):
            tsr_to_f32(type, base + row * columns * tsr_float_width(type), columns, target)
        }
    }

    /// Parts of a row are rows of their own, `columns / heads` apart.
    private func normalise(
        _ x: Plan.Operand, _ heads: Int, _ weight: UnsafePointer<Float>, _ epsilon: Float,
        _ result: Plan.Operand
    ) {
        let width = x.columns / heads
        forRows(of: x) { rows in
            guard heads > 1 else {
                tsr_rms_norm(
                    floats(x) + rows.lowerBound * x.pitch, x.pitch, weight, epsilon, rows.count, x.columns,
                    floats(result) + rows.lowerBound * result.pitch, result.pitch)
                return
            }
            for row in rows {
                tsr_rms_norm(
                    floats(x) + row * x.pitch, width, weight, epsilon, heads, width,
                    floats(result) + row * result.pitch, width)
            }
        }
    }

    private func quantize(_ x: Plan.Operand, _ group: Int, _ into: Int) {
        let target = activations(into)
        forRows(of: x) { rows in
            let first = rows.lowerBound
            tsr_quantize_rows(
                floats(x) + first * x.pitch, x.pitch, rows.count, x.columns, UInt32(group),
                UnsafeMutablePointer(mutating: target.codes) + first * target.padded_columns,
                UnsafeMutablePointer(mutating: target.scales) + first * target.groups,
                UnsafeMutablePointer(mutating: target.sums) + first * target.groups)
        }
    }

    private func copyRows(_ x: Plan.Operand, to result: Plan.Operand, _ source: (Int) -> Int) {
        for row in 0..<extents(result.rows) {
            (floats(result) + row * result.pitch).update(
                from: floats(x) + source(row) * x.pitch, count: x.columns)
        }
    }

    private func scatter(_ x: Plan.Operand, _ rows: Plan.Operand, _ index: UnsafePointer<Int32>) {
        for row in 0..<extents(rows.rows) {
            (floats(x) + Int(index[row]) * x.pitch).update(
                from: floats(rows) + row * rows.pitch, count: x.columns)
        }
    }

    private func addRows(_ x: Plan.Operand, _ rows: Plan.Operand, _ index: UnsafePointer<Int32>) {
        for row in 0..<extents(rows.rows) {
            let target = floats(x) + Int(index[row]) * x.pitch
            tsr_add(target, floats(rows) + row * rows.pitch, x.columns, target)
        }
    }
}

/// Is shown the rows of a named value: its name, its elements row after row, and the number of columns.
public typealias Observer = (_ name: String, _ rows: UnsafeBufferPointer<Float>, _ columns: Int) -> Void

extension Operation.Activation {
    fileprivate var kernel: tsr_activation {
        switch self {
        case .silu: TSR_SILU
        case .quickGELU: TSR_QUICK_GELU
        case .gelu: TSR_GELU_ERF
        case .geluTanh: TSR_GELU_TANH
        }
    }
}
