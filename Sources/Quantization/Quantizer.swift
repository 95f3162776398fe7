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

    /// A quantizer with `threads` workers, the caller's thread included.
    /// - Parameters:
    ///   - meanSquares: E[x²] of what weights are multiplied by, by their names, as far as it is known.
    ///   - panelBytes: the most source rows that are worked on at a time; a tile of 16 rows may take more.
    public init(
        _ plan: QuantizationPlan, threads: Int, meanSquares: [String: MeanSquares] = [:],
        panelBytes: Int = 16 << 20
    ) throws(Failure) {
        self.plan = plan
        self.meanSquares = meanSquares
        self.panelBytes = panelBytes
        pool = try ThreadPool(threads: threads)
    }

    /// Writes all tensors that `writer` does not have yet.
    ///
    /// - Parameters:
    ///   - source: where the plan's weights come from.
    ///   - writer: begun with `plan.descriptions`; to be finished by the caller.
    ///   - report: told what happens; whatever it throws ends the run, from which a later one can go on.
    /// - Returns: what became of each tensor written now.
    /// - Throws: `.badInput` naming tensor, row and column of a weight that is no finite number; whatever `source`,
    ///   `writer` and `report` throw.
    @discardableResult
    public func run(
        _ source: some WeightSource, into writer: BundleWriter,
        report: (Event) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) -> [TensorReport] {
        precondition(writer.plan == plan.descriptions)
        let total = plan.items.reduce(0) { $0 + $1.weight.byteCount }
        var done = plan.items[..<writer.completed].reduce(0) { $0 + $1.weight.byteCount }
        var reports: [TensorReport] = []
        // One buffer for all panels: buffers of many sizes, one after the other, would leave the heap full of holes.
        let tiles = UnsafeMutableRawBufferPointer.allocate(
            byteCount: largestPanel, alignment: 64)
        defer { tiles.deallocate() }
        for index in writer.completed..<plan.items.count {
            let summary = try writeTensor(index, source, writer, tiles) { (rows) throws(Failure) in
                done += rows * plan.items[index].weight.rowBytes
                try report(.panel(tensor: plan.items[index].weight.name, done: done, total: total))
            }
            reports.append(summary)
            try report(.tensor(summary))
        }
        return reports
    }

    /// Writes the tensor that is due, panel by panel, in memory lent for the tiles of one.
    /// - Parameter progress: told how many rows were written.
    func writeTensor(
        _ index: Int, _ source: some WeightSource, _ writer: some TensorSink,
        _ tiles: UnsafeMutableRawBufferPointer, progress: (Int) throws(Failure) -> Void
    ) throws(Failure) -> TensorReport {
        let item = plan.items[index]
        var distortion = Distortion()
        for rows in panels(item) {
            if case .carried? = item.fate {
                try source.withTiles(rows, of: index) { (bytes) throws(Failure) in
                    try writer.append(bytes, to: index)
                }
            } else {
                try source.withRows(rows, of: index) { (bytes) throws(Failure) in
                    distortion += try write(bytes, rows, item, writer, index, tiles)
                }
            }
            try progress(rows.count)
        }
        return TensorReport(item, distortion)
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

    /// Bytes of the tiles of the largest panel.
    var largestPanel: Int { plan.items.map(tileBytes).max() ?? 0 }

    /// Bytes of the tiles of an item's largest panel; 0 for what is kept.
    private func tileBytes(_ item: QuantizationPlan.Item) -> Int {
        let rows = panels(item).map(\.count).max() ?? 0
        let tile = item.solution?.runs.map(\.geometry.tileBytes).max() ?? 0
        return (rows + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows * tile
    }

    private func write(
        _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, _ item: QuantizationPlan.Item,
        _ writer: some TensorSink, _ index: Int, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(Failure) -> Distortion {
        let weight = item.weight
        guard let (runs, solver) = item.solution,
            let geometry = runs.first(where: { $0.rows.contains(rows.lowerBound) })?.geometry
        else {
            if let fault = NumericFault.firstNotFinite(in: bytes, weight.type) {
                throw fault.failure(columns: weight.columnCount, rows.lowerBound).inside(weight)
            }
            try writer.append(bytes, to: index)
            return Distortion()
        }
        let count = (rows.count + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows
        let tiles = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * geometry.tileBytes)])
        let distortion: Distortion
        do { distortion = try fit(bytes, rows, weight, geometry, solver, into: tiles) } catch {
            throw error.inside(weight)
        }
        try writer.append(UnsafeRawBufferPointer(tiles), to: index)
        return distortion
    }

    /// Fits rows, those of each expert by what it reads.
    private func fit(
        _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, _ weight: SourceWeight,
        _ geometry: GroupGeometry, _ solver: Solver, into tiles: UnsafeMutableRawBufferPointer
    ) throws(Failure) -> Distortion {
        guard let known = meanSquares[weight.name], known.count > 1 else {
            let fitter = try GroupFitter(geometry, solver, importance: meanSquares[weight.name]?[0])
            return try fitter.fit(bytes, weight.type, firstRow: rows.lowerBound, into: tiles, pool)
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
                try fitter.fit(source, weight.type, firstRow: own.lowerBound, into: tiles, pool)
            }
        }
        return distortion
    }
}

/// What takes the bytes of tensors, in order and in pieces of whole rows.
protocol TensorSink {
    /// Takes the next bytes of the plan's tensor `index`.
    func append(_ bytes: UnsafeRawBufferPointer, to index: Int) throws(Failure)
}

extension BundleWriter: TensorSink {}

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
