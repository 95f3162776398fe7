internal import Calibration
internal import Glibc
internal import GraphIR
internal import Storage
internal import Threads

/// Proposes changes of weights at the places where a graph allows them.
///
/// Scales, and turns of heads, are tried on some rows of the weights that they concern, solved as the plan solves them against
/// the moments of the calibration file, and proposed where the outputs err less. What the turn of a whole stream does shows in
/// the answers only.
struct RewriteProposer {
    /// What is proposed at a place.
    struct Proposal {
        let finding: RewriteSearch.Finding
        /// By the name of the weight; empty where nothing helps.
        let rewrites: [String: Rewrite]
    }

    private let plan: QuantizationPlan
    private let source: BundleWeights
    private let calibration: CalibrationFile
    private let pool: ThreadPool
    /// What comes before.
    private let rewrites: [String: Rewrite]
    private let stages: [String: String]
    private let indices: [String: Int]

    /// Exponents of the root mean square of a column's inputs by which it may be scaled (AWQ, arXiv 2306.00978).
    private static let exponents = [0.125, 0.25, 0.375, 0.5, 0.625]
    /// A change must take away at least a hundredth.
    private static let worthwhile = 0.99

    /// - Parameter rewrites: the changes that what is proposed comes after.
    init(
        _ plan: QuantizationPlan, _ model: ModelGraph, _ source: BundleWeights,
        _ calibration: CalibrationFile, _ pool: ThreadPool, _ rewrites: [String: Rewrite]
    ) {
        self.plan = plan
        self.source = source
        self.calibration = calibration
        self.pool = pool
        self.rewrites = rewrites
        stages = model.stageNames
        indices = Dictionary(
            plan.items.enumerated().map { ($0.element.weight.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
    }

    /// What helps at a place; nil where the weights are not to be changed.
    func proposal(_ place: Equivalence) throws(Failure) -> Proposal? {
        switch place {
        case .scaling(let scaling): try scale(scaling)
        case .heads(let turn): try self.turn(turn)
        case .residual(let stream): try self.turn(stream)
        }
    }

    // MARK: Steps

    private func scale(_ scaling: NormScaling) throws(Failure) -> Proposal? {
        let readers = scaling.readers
        guard readers.allSatisfy(isSolved), let moments = try moments(readers[0]) else { return nil }
        let plain = try error(readers, moments, [:])
        var best = (error: plain * Self.worthwhile, rewrites: [String: Rewrite]())
        for exponent in Self.exponents {
            let scales = Self.scales(moments, exponent)
            let change = Rewrite(.fold, columns: [.scale(scales)])
            var trial: [String: Rewrite] = [:]
            for reader in readers { trial[reader] = change }
            let error = try error(readers, moments.mapped { change.mapInputs($0) }, trial)
            guard error < best.error else { continue }
            for vector in [scaling.weight, scaling.bias].compactMap({ $0 }) {
                trial[vector] = Rewrite(.fold, rows: [.scale(scales.map { 1 / $0 })])
            }
            best = (error, trial)
        }
        return proposal(readers[0], best.rewrites, best.rewrites.isEmpty ? 1 : best.error / plain)
    }

    private func turn(_ turn: HeadTurn) throws(Failure) -> Proposal? {
        guard isSolved(turn.producer), isSolved(turn.reader), let before = try moments(turn.producer),
            let after = try moments(turn.reader)
        else { return nil }
        let rows = Turn(range: turn.rows, size: turn.headDimension)
        let columns = Turn(range: 0..<after.columns, size: turn.headDimension)
        guard rows.block > 1 else { return nil }
        let reader = Rewrite(.turnHeads, columns: [.turn(columns)])
        var trial = [turn.producer: Rewrite(.turnHeads, rows: [.turn(rows)]), turn.reader: reader]
        let plain = try error([turn.producer], before, [:]) + error([turn.reader], after, [:])
        let turned =
            try error([turn.producer], before, trial)
            + error([turn.reader], after.mapped { reader.mapInputs($0) }, trial)
        if let bias = turn.bias { trial[bias] = Rewrite(.turnHeads, rows: [.turn(rows)]) }
        let isBetter = turned < plain * Self.worthwhile
        return proposal(turn.producer, isBetter ? trial : [:], isBetter ? turned / plain : 1)
    }

    private func turn(_ stream: ResidualStream) throws(Failure) -> Proposal? {
        let names = stream.weights
        // Codes that are carried over as they were published would be lost.
        guard stream.isTurnable, !names.contains(where: isCarried), let first = names.first else {
            return nil
        }
        return Proposal(
            finding: .init(weight: first, ratio: nil), rewrites: try stream.rewrites(source))
    }

    private func proposal(
        _ weight: String, _ found: [String: Rewrite], _ ratio: Double
    ) -> Proposal {
        Proposal(finding: .init(weight: weight, ratio: ratio), rewrites: found)
    }

    // MARK: Trials

    private func isSolved(_ name: String) -> Bool {
        indices[name].map { plan.items[$0].solution?.solver.isCalibrated == true } ?? false
    }

    private func isCarried(_ name: String) -> Bool {
        guard let item = indices[name].map({ plan.items[$0] }), case .carried? = item.fate else {
            return false
        }
        return true
    }

    /// Of the inputs of a weight in the model of full precision, as changed so far.
    private func moments(_ weight: String) throws(Failure) -> SecondMoments? {
        guard let stage = stages[weight], let moments = try calibration.balancedMoments(stage) else {
            return nil
        }
        guard let rewrite = rewrites[weight], !rewrite.columns.isEmpty else { return moments }
        return moments.mapped { rewrite.mapInputs($0) }
    }

    /// The sum of the relative errors of the outputs of weights that read the same.
    private func error(
        _ names: [String], _ moments: SecondMoments, _ changes: [String: Rewrite]
    ) throws(Failure) -> Double {
        let weights = RewrittenWeights(source, rewrites.then(changes))
        var sum = 0.0
        for name in names {
            guard let index = indices[name], let solver = plan.items[index].solution?.solver,
                let format = plan.items[index].typicalFormat
            else {
                continue
            }
            let sample = try SampledRows(weights, index, count: 128)
            var options = MomentSolver.Options(solver)
            options.sweeps = min(1, options.sweeps)
            sum += try sample.error(format, options, moments, pool)
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
