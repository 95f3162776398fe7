internal import Bundles
internal import Calibration
internal import GraphIR
internal import GroupFormats
internal import Runtime
import SampleSets
internal import Storage
internal import Threads

/// Measures what changes of weights do to the answers of the quantized model: it is quantized quickly, and run over a few samples of
/// the calibration set beside the model as it is.
///
/// Quickly is as the recipe says, but without the descent, and by the moments of the model of full precision: those of turned inputs are
/// far from diagonal, and a search that looked at columns one by one would speak against turns that rounding with error
/// feedback makes good use of.
struct RewriteTrial {
    private let recipe: Recipe
    private let model: ModelGraph
    private let source: BundleWeights
    private let calibration: CalibrationFile
    private let pool: ThreadPool
    private let stages: [String: String]
    private let probe: AnswerProbe
    private let base: AnswerProbe.Answers

    typealias Report = (ModelRun.Progress) throws(Failure) -> Void

    /// Runs the model as it is.
    init(
        _ recipe: Recipe, _ model: ModelGraph, _ source: BundleWeights, _ calibration: CalibrationFile,
        _ pool: ThreadPool, _ largeProduct: LargeProduct?, report: Report
    ) throws(Failure) {
        self.recipe = recipe
        self.model = model
        self.source = source
        self.calibration = calibration
        self.pool = pool
        stages = model.stageNames
        probe = AnswerProbe(
            model, calibration.prepared, patches: calibration, pool: pool, largeProduct: largeProduct)
        let plain = Self.plain(source)
        base = try probe.answers(try probe.hidden(plain, report: report), plain)
    }

    /// The mean KL divergence of the changed and quantized model from the model as it is: infinite where its answers are not
    /// finite.
    func divergence(_ rewrites: [String: Rewrite], report: Report) throws(Failure) -> Double {
        let changed = RewrittenWeights(source, rewrites)
        let plan = try QuantizationPlan(recipe, model, changed.weights, solver: .best(calibrated: true))
        let indices = Self.indices(changed)
        let quantized = { (name: String) throws(Failure) -> LentWeight? in
            guard let index = indices[name] else { return nil }
            guard plan.items[index].solution != nil else { return try changed.lent(index) }
            return try quantize(index, changed, plan.items[index], rewrites[name])
        }
        let hidden = try probe.hidden(quantized, report: report)
        let divergence = try probe.divergence(base, hidden, quantized)
        return divergence.isNaN ? .infinity : divergence
    }

    private static func plain(_ source: BundleWeights) -> AnswerProbe.Weights {
        let weights = RewrittenWeights(source)
        let indices = indices(weights)
        return { (name) throws(Failure) in
            try indices[name].flatMap { (index) throws(Failure) in try weights.lent(index) }
        }
    }

    private static func indices(_ source: some WeightSource) -> [String: Int] {
        Dictionary(
            source.weights.enumerated().map { ($0.element.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
    }

    private func quantize(
        _ index: Int, _ source: some WeightSource, _ item: QuantizationPlan.Item, _ rewrite: Rewrite?
    ) throws(Failure) -> LentWeight {
        let (weight, description) = (source.weights[index], item.description)
        let tiles = WeightBytes(description.byteCount)
        do {
            for run in item.solution?.runs ?? [] {
                let target = UnsafeMutableRawBufferPointer(rebasing: tiles.bytes[run.bytes])
                try source.withRows(run.rows, of: index) { (rows) throws(Failure) in
                    try fit(rows, weight, run.geometry, item.choice.solver, rewrite, into: target)
                }
            }
        } catch { throw error.inside(weight) }
        return LentWeight(
            description.encoding, weight.shape, UnsafeRawBufferPointer(tiles.bytes), owner: tiles)
    }

    private func fit(
        _ rows: UnsafeRawBufferPointer, _ weight: SourceWeight, _ geometry: GroupGeometry,
        _ solver: Solver?, _ rewrite: Rewrite?, into tiles: UnsafeMutableRawBufferPointer
    ) throws(Failure) {
        if solver?.isCalibrated == true, geometry.columns <= MomentSolver.widestTried,
            let moments = try moments(weight.name, rewrite)
        {
            let solver = try MomentSolver(geometry, moments, pool, MomentSolver.Options(.gptq))
            _ = try solver.solve(rows, weight.type, into: tiles, pool)
        } else {
            let fitter = try GroupFitter(
                geometry, solver == .nearest ? .nearest : .search,
                importance: try importance(weight.name, rewrite))
            _ = try fitter.fit(rows, weight.type, into: tiles, pool)
        }
    }

    /// The moments of what a changed weight is multiplied by, where the calibration file has any.
    private func moments(_ name: String, _ rewrite: Rewrite?) throws(Failure) -> SecondMoments? {
        guard let stage = stages[name], let moments = try calibration.balancedMoments(stage) else {
            return nil
        }
        guard let rewrite, !rewrite.columns.isEmpty else { return moments }
        return moments.mapped { rewrite.mapInputs($0) }
    }

    /// E[x²] of each column of the same, where the calibration file knows enough.
    private func importance(_ name: String, _ rewrite: Rewrite?) throws(Failure) -> [Float]? {
        guard calibration.detail == .full, let stage = stages[name] else { return nil }
        // Of wide inputs, which nothing changes, all moments would take gigabytes.
        guard rewrite?.columns.isEmpty == false else { return try calibration.balancedSquares(stage) }
        return try moments(name, rewrite).map { (moments) throws(Failure) in try moments.meanSquares() }
    }
}

extension CalibrationFile {
    /// E[x²] of each column of a stage's inputs, modalities balanced; nil when there are none.
    fileprivate func balancedSquares(_ stage: String) throws(Failure) -> [Float]? {
        var sum: [Float]?
        for modality in Modality.allCases {
            guard let squares = try meanSquares(stage, modality) else { continue }
            let total = squares.reduce(0.0) { $0 + Double($1) }
            guard total > 0 else { continue }
            let share = squares.map { Float(Double($0) / total) }
            sum = sum.map { zip($0, share).map(+) } ?? share
        }
        return sum
    }
}
