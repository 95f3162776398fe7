public import Bundles
public import Calibration
internal import Glibc
public import GraphIR
internal import GroupFormats
public import Storage
internal import Threads

/// Finds changes of a model that leave what it computes as it is and let its weights be quantized better.
///
/// Each is tried on some rows of the weights that it concerns, solved as the plan solves them against the moments of the
/// calibration file, and kept where their outputs err less.
public struct RewriteSearch {
    /// What a change brought.
    public struct Finding: Sendable {
        /// The first of the weights that are quantized.
        public let weight: String
        /// Which step it is of.
        public let step: Recipe.Step
        /// The error of the outputs, as a share of what it was; 1 where nothing was changed.
        public let ratio: Double
    }

    /// What was found.
    public private(set) var findings: [Finding] = []
    /// By the name of the weight.
    private var rewrites: [String: Rewrite] = [:]
    private let plan: QuantizationPlan
    private let source: BundleWeights
    private let calibration: CalibrationFile
    private let pool: ThreadPool
    private let stages: [String: String]
    private let indices: [String: Int]

    /// Exponents of the root mean square of a column's inputs by which it may be scaled (AWQ, arXiv 2306.00978).
    private static let exponents = [0.125, 0.25, 0.375, 0.5, 0.625]
    /// A change must take away at least a hundredth.
    private static let worthwhile = 0.99

    /// Tries the steps of the plan's recipe everywhere.
    /// - Throws: whatever reading throws, and what `report` does, which is told how many of how many places are done.
    public init(
        _ plan: QuantizationPlan, _ model: ModelGraph, _ bundle: Bundle, _ calibration: CalibrationFile,
        threads: Int, report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        self.plan = plan
        self.calibration = calibration
        source = try BundleWeights(bundle)
        pool = try ThreadPool(threads: threads)
        stages = model.stageNames
        indices = Dictionary(
            plan.items.enumerated().map { ($0.element.weight.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        let places = model.equivalences.filter { plan.recipe.steps.contains($0.step) }
        for (number, place) in places.enumerated() {
            switch place {
            case .scaling(let norm, let readers): try scale(norm, readers)
            case .heads(let turn): try self.turn(turn)
            }
            try report(number + 1, places.count)
        }
    }

    /// The weights of the changed model.
    public var weights: RewrittenWeights<BundleWeights> { RewrittenWeights(source, rewrites) }

    // MARK: Steps

    private mutating func scale(_ norm: Operation.Norm, _ readers: [String]) throws(Failure) {
        guard let moments = try moments(readers[0]), readers.allSatisfy(isSolved) else { return }
        let plain = try error(readers, moments, [:])
        var best = (error: plain * Self.worthwhile, rewrites: [String: Rewrite]())
        for exponent in Self.exponents {
            let scales = Self.scales(moments, exponent)
            let inverse = scales.map { 1 / $0 }
            var trial: [String: Rewrite] = [:]
            for reader in readers { trial[reader] = Rewrite(columnScales: scales) }
            let scaled = moments.mapped { row in for index in row.indices { row[index] *= inverse[index] } }
            let error = try error(readers, scaled, trial)
            guard error < best.error else { continue }
            for vector in [norm.weight, norm.bias].compactMap({ $0 }) {
                trial[vector] = Rewrite(rowScales: inverse)
            }
            best = (error, trial)
        }
        keep(best.rewrites, readers[0], .fold, best.rewrites.isEmpty ? 1 : best.error / plain)
    }

    private mutating func turn(_ turn: HeadTurn) throws(Failure) {
        guard isSolved(turn.producer), isSolved(turn.reader), let before = try moments(turn.producer),
            let after = try moments(turn.reader)
        else { return }
        let rows = Turn(range: turn.rows, size: turn.headDimension)
        let columns = Turn(range: 0..<after.columns, size: turn.headDimension)
        guard rows.block > 1 else { return }
        var trial = [
            turn.producer: rewrites[turn.producer] ?? Rewrite(), turn.reader: Rewrite(columnTurn: columns),
        ]
        let scales = trial[turn.producer]?.columnScales
        let seen = scales.map { scales in
            before.mapped { row in for index in row.indices { row[index] /= scales[index] } }
        }
        let plain =
            try error([turn.producer], seen ?? before, trial) + error([turn.reader], after, [:])
        trial[turn.producer]?.rowTurn = rows
        let turned =
            try error([turn.producer], seen ?? before, trial)
            + error([turn.reader], after.mapped { columns.apply($0) }, trial)
        if let bias = turn.bias { trial[bias] = Rewrite(rowTurn: rows) }
        let isBetter = turned < plain * Self.worthwhile
        keep(isBetter ? trial : [:], turn.producer, .turnHeads, isBetter ? turned / plain : 1)
    }

    private mutating func keep(
        _ found: [String: Rewrite], _ weight: String, _ step: Recipe.Step, _ ratio: Double
    ) {
        rewrites.merge(found) { $1 }
        findings.append(Finding(weight: weight, step: step, ratio: ratio))
    }

    // MARK: Trials

    private func isSolved(_ name: String) -> Bool {
        indices[name].map { plan.items[$0].solution?.solver.isCalibrated == true } ?? false
    }

    /// Of the inputs of a weight in the model of full precision.
    private func moments(_ weight: String) throws(Failure) -> SecondMoments? {
        guard let stage = stages[weight] else { return nil }
        return try calibration.balancedMoments(stage)
    }

    /// The sum of the relative errors of the outputs of weights that read the same.
    private func error(
        _ names: [String], _ moments: SecondMoments, _ rewrites: [String: Rewrite]
    ) throws(Failure) -> Double {
        let weights = RewrittenWeights(source, rewrites)
        var sum = 0.0
        for name in names {
            guard let index = indices[name], let (format, solver) = plan.items[index].solution else {
                continue
            }
            let sample = try SampledRows(weights, index, count: 2 * MomentSolver.panelRows)
            var options = MomentSolver.Options(solver, damping: MomentSolver.Options().damping)
            options.sweeps = min(1, options.sweeps)
            sum += try sample.error(format, options, moments, on: moments, pool)
        }
        return sum
    }

    /// √E[x²] of each column to a power, their geometric mean 1.
    private static func scales(_ moments: SecondMoments, _ exponent: Double) -> [Float] {
        let diagonal = moments.diagonal.map(Double.init)
        let floor = max(moments.trace / Double(moments.columns) * 1e-6, .leastNormalMagnitude)
        let logarithms = diagonal.map { exponent / 2 * log(max($0, floor)) }
        let mean = logarithms.reduce(0, +) / Double(max(1, logarithms.count))
        return logarithms.map { Float(exp($0 - mean)) }
    }
}

extension Equivalence {
    /// The step that makes use of it.
    fileprivate var step: Recipe.Step {
        switch self {
        case .scaling: .fold
        case .heads: .turnHeads
        }
    }
}
