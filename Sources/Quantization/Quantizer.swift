public import Bundles
public import Calibration
public import GroupFormats
public import Storage
import Threads

/// Carries a plan out: streams weights from a source into a bundle, panel by panel, in memory independent of their size.
public struct Quantizer {
    /// Something that happened.
    public enum Event: Sendable {
        /// Part of a tensor is written; `done` and `total` count the source's bytes over all tensors.
        case panel(tensor: String, done: Int, total: Int)
        /// A tensor is complete.
        case tensor(TensorReport)
    }

    let plan: QuantizationPlan
    let pool: ThreadPool
    private let meanSquares: [String: MeanSquares]
    private let panelBytes: Int
    /// What a worker fits its panel with.
    private let alone: ThreadPool

    /// A quantizer with `threads` workers, the caller's thread included.
    /// - Parameters:
    ///   - meanSquares: E[x²] of what weights are multiplied by, by their names, as far as it is known.
    ///   - panelBytes: the most source rows that each works on at a time; a tile of 16 rows may take more.
    public init(
        _ plan: QuantizationPlan, threads: Int, meanSquares: [String: MeanSquares] = [:],
        panelBytes: Int = 4 << 20
    ) throws(Failure) {
        self.plan = plan
        self.meanSquares = meanSquares
        self.panelBytes = panelBytes
        pool = try ThreadPool(threads: threads)
        alone = try ThreadPool(threads: 1)
    }

    /// Writes all tensors that `writer` does not have yet.
    ///
    /// - Parameters:
    ///   - source: where the plan's weights come from.
    ///   - writer: begun with `plan.descriptions`; to be finished by the caller.
    ///   - report: told what happens, by one thread at a time; whatever it throws ends the run, from which a later one can go on.
    /// - Returns: what became of each tensor written now.
    /// - Throws: `.badInput` naming tensor, row and column of a weight that is no finite number; whatever `source`,
    ///   `writer` and `report` throw.
    @discardableResult
    public func run(
        _ source: some WeightSource, into writer: BundleWriter,
        report: (Event) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) -> [TensorReport] {
        precondition(writer.plan == plan.descriptions)
        return try write(writer.completed..<plan.items.count, source, into: writer, report: report)
    }

    /// Makes tensors, a panel on each worker; the sink takes them, and events are told, in order.
    func write(
        _ indices: Range<Int>, _ source: some WeightSource, into sink: some TensorSink,
        report: (Event) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) -> [TensorReport] {
        let total = plan.items.reduce(0) { $0 + $1.weight.byteCount }
        var done = plan.items[..<indices.lowerBound].reduce(0) { $0 + $1.weight.byteCount }
        var reports: [TensorReport] = []
        var distortion = Distortion()
        let pieces = indices.flatMap { index in panels(plan.items[index]).map { (index: index, rows: $0) } }
        // One buffer for each worker: buffers of many sizes, one after the other, would leave the heap full of holes.
        let stride = plan.items[indices].map(tileBytes).max() ?? 0
        let tiles = UnsafeMutableRawBufferPointer.allocate(byteCount: stride * pool.threads, alignment: 64)
        defer { tiles.deallocate() }
        try pool.runInOrder(pieces.count) { (number, worker, turn) throws(Failure) in
            let (index, rows) = pieces[number]
            let item = plan.items[index]
            let own = UnsafeMutableRawBufferPointer(rebasing: tiles[worker * stride..<(worker + 1) * stride])
            try make(rows, of: index, source, own) { (bytes, lost) throws(Failure) in
                try sink.place(bytes, of: index, at: item.offset(ofRow: rows.lowerBound))
                try turn.take { () throws(Failure) in
                    try sink.accept(bytes, of: index)
                    distortion += lost
                    done += rows.count * item.weight.rowBytes
                    try report(.panel(tensor: item.weight.name, done: done, total: total))
                    guard rows.upperBound == item.weight.rowCount else { return }
                    let summary = TensorReport(item, distortion)
                    distortion = Distortion()
                    reports.append(summary)
                    try report(.tensor(summary))
                }
            }
        }
        return reports
    }

    /// Whole tiles of rows in one format, as many as fit a panel.
    private func panels(_ item: QuantizationPlan.Item) -> [Range<Int>] {
        let weight = item.weight
        let tiles = max(1, panelBytes / max(1, weight.rowBytes * GroupGeometry.tileRows))
        let step = tiles * GroupGeometry.tileRows
        let runs = item.solution?.runs.map(\.rows) ?? [0..<weight.rowCount]
        return runs.flatMap { run in
            stride(from: run.lowerBound, to: run.upperBound, by: step).map {
                $0..<min($0 + step, run.upperBound)
            }
        }
    }

    /// Bytes of the tiles of an item's largest panel; 0 for what is kept.
    private func tileBytes(_ item: QuantizationPlan.Item) -> Int {
        let rows = panels(item).map(\.count).max() ?? 0
        let tile = item.solution?.runs.map(\.geometry.tileBytes).max() ?? 0
        return (rows + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows * tile
    }

    /// Lends the bytes that rows become, and what they lost.
    private func make(
        _ rows: Range<Int>, of index: Int, _ source: some WeightSource,
        _ buffer: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, Distortion) throws(Failure) -> Void
    ) throws(Failure) {
        let item = plan.items[index]
        if case .carried? = item.fate {
            try source.withTiles(rows, of: index) { (bytes) throws(Failure) in try body(bytes, Distortion()) }
        } else {
            try source.withRows(rows, of: index) { (bytes) throws(Failure) in
                try make(bytes, rows, item, buffer, body)
            }
        }
    }

    private func make(
        _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, _ item: QuantizationPlan.Item,
        _ buffer: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, Distortion) throws(Failure) -> Void
    ) throws(Failure) {
        let weight = item.weight
        guard let (run, solver) = item.run(ofRow: rows.lowerBound) else {
            if let fault = NumericFault.firstNotFinite(in: bytes, weight.type) {
                throw fault.failure(columns: weight.columnCount, rows.lowerBound).inside(weight)
            }
            return try body(bytes, Distortion())
        }
        let count = (rows.count + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows
        let tiles = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * run.geometry.tileBytes)])
        let distortion: Distortion
        do { distortion = try fit(bytes, rows, weight, run.geometry, solver, into: tiles) } catch {
            throw error.inside(weight)
        }
        try body(UnsafeRawBufferPointer(tiles), distortion)
    }

    /// Fits rows, those of each expert by what it reads.
    private func fit(
        _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, _ weight: SourceWeight,
        _ geometry: GroupGeometry, _ solver: Solver, into tiles: UnsafeMutableRawBufferPointer
    ) throws(Failure) -> Distortion {
        guard let known = meanSquares[weight.name], known.count > 1 else {
            let fitter = try GroupFitter(geometry, solver, importance: meanSquares[weight.name]?[0])
            return try fitter.fit(bytes, weight.type, firstRow: rows.lowerBound, into: tiles, alone)
        }
        guard weight.rowCount % known.count == 0 else {
            throw .badInput("has \(weight.rowCount) rows for \(known.count) experts")
        }
        tiles.initializeMemory(as: UInt8.self, repeating: 0)
        let target = TileRows(geometry, tiles, rows: rows.count)
        var distortion = Distortion()
        for expert in 0..<known.count {
            let own = weight.rows(of: expert, known.count).clamped(to: rows)
            guard !own.isEmpty else { continue }
            let fitter = try GroupFitter(geometry, solver, importance: known[expert])
            let part = own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound
            let source = UnsafeRawBufferPointer(
                rebasing: bytes[part.lowerBound * weight.rowBytes..<part.upperBound * weight.rowBytes])
            distortion += try target.fill(part) { (tiles) throws(Failure) in
                try fitter.fit(source, weight.type, firstRow: own.lowerBound, into: tiles, alone)
            }
        }
        return distortion
    }
}

/// What takes the bytes of tensors, in pieces of whole rows.
protocol TensorSink {
    /// Puts bytes where they belong, `offset` bytes from the beginning of the plan's tensor `index`: by several threads, in any
    /// order.
    func place(_ bytes: UnsafeRawBufferPointer, of index: Int, at offset: Int) throws(Failure)
    /// Takes what was placed as the next bytes of the plan's tensor `index`: one piece at a time, in order.
    func accept(_ bytes: UnsafeRawBufferPointer, of index: Int) throws(Failure)
}

extension BundleWriter: TensorSink {}

extension QuantizationPlan.Item {
    /// The rows stored in one format that a row is among, and what finds their codes; nil for what is not quantized.
    fileprivate func run(ofRow row: Int) -> (CodedRows, Solver)? {
        guard let (runs, solver) = solution, let run = runs.first(where: { $0.rows.contains(row) }) else {
            return nil
        }
        return (run, solver)
    }

    /// Where the bytes of a row begin that is the first of a panel.
    fileprivate func offset(ofRow row: Int) -> Int {
        if let (run, _) = run(ofRow: row) {
            return run.bytes.lowerBound + (row - run.rows.lowerBound) / GroupGeometry.tileRows
                * run.geometry.tileBytes
        }
        if let tiles = PublishedGeometry(description.encoding, description.shape) {
            return row / GroupGeometry.tileRows * tiles.tileBytes
        }
        return row * weight.rowBytes
    }
}

/// What became of a tensor.
public struct TensorReport: Sendable {
    /// Of its slot in the graph.
    public let name: String
    /// `[N, K]`, or rank 1.
    public let shape: Shape
    /// How it is stored.
    public let encoding: TensorEncoding
    /// Stored bits for each of its values.
    public let effectiveBits: Double
    /// How far the stored values are from the source's; nothing for what is kept.
    public let distortion: Distortion
    /// What the solvers' steps left of the error of the outputs; nil where none was at work.
    public let losses: MomentSolver.Losses?
    /// Whether a solver that goes by the inputs had to do without: nothing of the set came to this weight.
    public let lacksInputs: Bool

    init(
        _ item: QuantizationPlan.Item, _ distortion: Distortion, _ losses: MomentSolver.Losses? = nil,
        lacksInputs: Bool = false
    ) {
        self.losses = losses
        self.lacksInputs = lacksInputs
        name = item.weight.name
        shape = item.weight.shape
        encoding = item.description.encoding
        effectiveBits = Double(item.description.byteCount) * 8 / Double(max(1, shape.count))
        self.distortion = distortion
    }
}

extension Failure {
    /// The same failure, its place being within a weight.
    func inside(_ weight: SourceWeight) -> Failure {
        Failure(kind, message, file: file, at: "tensor '\(weight.name)' \(place ?? "")", remedy: remedy)
    }
}
