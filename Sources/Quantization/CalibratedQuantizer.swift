public import Bundles
public import Calibration
public import GraphIR
internal import GroupFormats
public import Runtime
public import Storage
internal import Threads

/// Carries a plan out with what a calibration file knows, block after block.
///
/// Each stage's weights are solved against the inputs that the quantized stages before it produce: the model runs over the
/// calibration set as far as it is quantized, at the speed and with the numbers of the runtime. Memory is that of one
/// stage. An interrupted run goes on after the last weight that was written; what is quantized is then run again, not
/// solved again.
public final class CalibratedQuantizer {
    private let plan: QuantizationPlan
    private let model: ModelGraph
    private let bundle: Bundle
    private let source: BundleWeights
    private let calibration: CalibrationFile
    private let quantizer: Quantizer
    private let largeProduct: LargeProduct?
    private let indices: [String: Int]
    private let stages: [String: String]
    /// What is solved and not yet written, or lent to the part that runs.
    private var solved: [Int: SolvedTiles] = [:]
    private var reports: [TensorReport] = []

    /// A quantizer with `threads` workers, the caller's thread included.
    public init(
        _ plan: QuantizationPlan, _ model: ModelGraph, _ bundle: Bundle, _ calibration: CalibrationFile,
        threads: Int, largeProduct: LargeProduct? = nil
    ) throws(Failure) {
        self.plan = plan
        self.model = model
        self.bundle = bundle
        self.calibration = calibration
        self.largeProduct = largeProduct
        source = try BundleWeights(bundle)
        quantizer = try Quantizer(plan, threads: threads)
        indices = Dictionary(
            plan.items.enumerated().map { ($0.element.weight.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        stages = model.stageNames
    }

    /// Writes all tensors that `writer` does not have yet.
    /// - Parameter report: told how far the run is.
    /// - Returns: what became of each tensor written now.
    public func run(
        into writer: BundleWriter, report: (ModelRun.Progress) throws(Failure) -> Void
    ) throws(Failure) -> [TensorReport] {
        let run = ModelRun(
            model, calibration.prepared, patches: calibration, pool: quantizer.pool,
            largeProduct: largeProduct)
        try run.run(
            weight: { (name) throws(Failure) in try self.weight(name, writer) },
            visit: { (visit) throws(Failure) in try self.solve(visit, writer) }, report: report)
        try write(into: writer, all: true)
        return reports
    }

    /// A weight as it is run: quantized, once it is.
    private func weight(_ name: String, _ writer: BundleWriter) throws(Failure) -> LentWeight? {
        guard let index = indices[name], case .groups = plan.items[index].description.encoding else {
            return LentWeight(name, of: bundle)
        }
        let description = plan.items[index].description
        if index >= writer.completed, solved[index] == nil { solved[index] = try solveAlone(index) }
        if let tiles = solved[index] {
            return LentWeight(
                description.encoding, description.shape, UnsafeRawBufferPointer(tiles.bytes), owner: tiles)
        }
        let written = try writer.written(index)
        return LentWeight(description.encoding, description.shape, written.bytes, owner: written.file)
    }

    /// Solves the weights of a stage.
    private func solve(_ visit: ModelRun.Visit, _ writer: BundleWriter) throws(Failure) {
        solved = solved.filter { $0.key >= writer.completed }
        var names: [String] = []
        for node in visit.stage.linears {
            guard let name = node.operation.weightNames.first, let index = indices[name],
                index >= writer.completed, solved[index] == nil, plan.items[index].solution != nil
            else { continue }
            names.append(name)
        }
        if !names.isEmpty {
            let statistics = try visit.statistics(Modality.allCases, quantizer.pool)
            let moments = SecondMoments.balanced(Modality.allCases.compactMap { statistics[$0]?.moments })
            for name in names {
                guard let index = indices[name] else { continue }
                solved[index] = try solve(index, moments)
            }
        }
        try write(into: writer, all: false)
        // Solving costs more than syncing: an interrupted run should not have to solve again.
        try writer.checkpoint()
    }

    /// Solves a weight with what the model of full precision fed it: one that is read before its stage comes, such as an
    /// embedding that is the head, too.
    private func solveAlone(_ index: Int) throws(Failure) -> SolvedTiles {
        let stage = stages[plan.items[index].weight.name]
        var parts: [SecondMoments] = []
        for modality in Modality.allCases {
            guard let stage, let moments = try calibration.moments(stage, modality) else { continue }
            parts.append(moments)
        }
        return try solve(index, SecondMoments.balanced(parts))
    }

    private func solve(_ index: Int, _ moments: SecondMoments?) throws(Failure) -> SolvedTiles {
        let item = plan.items[index]
        guard let (format, solver) = item.solution,
            let geometry = GroupGeometry(format, item.weight.shape)
        else { throw .badInput("is not to be quantized", at: "tensor '\(item.weight.name)'") }
        let tiles = SolvedTiles(geometry.byteCount)
        do {
            try source.withRows(0..<item.weight.rowCount, of: index) { (rows) throws(Failure) in
                if solver.isCalibrated, let moments {
                    var options = MomentSolver.Options()
                    if solver == .gptq { options.sweeps = 0 }
                    let solver = try MomentSolver(geometry, moments, options)
                    let result = try solver.solve(rows, item.weight.type, into: tiles.bytes, quantizer.pool)
                    (tiles.distortion, tiles.losses) = (result.distortion, result.losses)
                } else {
                    let fitter = try GroupFitter(
                        geometry, solver,
                        importance: moments?.diagonal.map { $0 / Float(moments?.weight ?? 1) })
                    tiles.distortion = try fitter.fit(
                        rows, item.weight.type, into: tiles.bytes, quantizer.pool)
                }
            }
        } catch { throw error.inside(item.weight) }
        return tiles
    }

    /// Whether the run comes to a stage that reads the weight: not to the vision graph's without pictures.
    private func isVisited(_ item: QuantizationPlan.Item) -> Bool {
        guard let stage = stages[item.weight.name] else { return false }
        return calibration.stages.contains { $0.name == stage }
    }

    /// Writes the tensors that are due, up to the first that is to be solved and is not; `all` solves that, too.
    private func write(into writer: BundleWriter, all: Bool) throws(Failure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 64)
        defer { buffer.deallocate() }
        while writer.completed < plan.items.count {
            let index = writer.completed
            let item = plan.items[index]
            if solved[index] == nil, item.solution != nil {
                guard all || !isVisited(item) else { return }
                solved[index] = try solveAlone(index)
            }
            guard let tiles = solved[index] else {
                reports.append(
                    try quantizer.writeTensor(index, source, writer, buffer) { _ throws(Failure) in })
                continue
            }
            try writer.append(UnsafeRawBufferPointer(tiles.bytes), to: index)
            reports.append(TensorReport(item, tiles.distortion, tiles.losses))
        }
    }
}

/// The tiles of a weight, and what they lost.
private final class SolvedTiles {
    let bytes: UnsafeMutableRawBufferPointer
    var distortion = Distortion()
    var losses: MomentSolver.Losses?

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
}
