public import Bundles
public import Calibration
public import GraphIR
public import Runtime
public import Storage
internal import Threads

/// Finds changes of a model that leave what it computes as it is and let its weights be quantized better.
///
/// Step by step: what a step proposes comes on top of what the steps before it brought, and is kept where the answers of the
/// quantized model, measured with it and without, are closer to those of the model as it is.
public struct RewriteSearch {
    /// A place where a step was tried.
    public struct Finding: Sendable {
        /// The first of the weights that change.
        public let weight: String
        /// The error of the outputs of the weights, as a share of what it was: 1 where the step proposes nothing; nil where only
        /// the answers can tell.
        public let ratio: Double?
    }

    /// What became of a step.
    public struct Outcome: Sendable {
        /// The step.
        public let step: Recipe.Step
        /// Where it was tried.
        public let findings: [Finding]
        /// Why it was not tried elsewhere.
        public let objections: [String]
        /// The mean KL divergence of the quickly quantized model without the step and with it; nil where the step proposed nothing.
        public let divergences: (without: Double, with: Double)?

        /// Whether the weights were changed as the step proposed.
        public var isKept: Bool { divergences.map { $0.with < $0.without } ?? false }
    }

    /// Told how far the search is.
    public typealias Report = (ModelRun.Progress) throws(Failure) -> Void

    /// What became of the steps that the recipe asks for, in the order in which they were tried.
    public private(set) var outcomes: [Outcome] = []
    /// What is kept, by the name of the weight.
    private var rewrites: [String: Rewrite] = [:]
    private let source: BundleWeights

    /// The steps that change weights, in the order in which they are tried: scales would be lost in a norm that is folded.
    private static let order: [Recipe.Step] = [.turnResidual, .fold, .turnHeads]

    /// Tries the steps of the plan's recipe.
    /// - Throws: whatever reading and running throw, and what `report` does.
    public init(
        _ plan: QuantizationPlan, _ model: ModelGraph, _ bundle: Bundle, _ calibration: CalibrationFile,
        threads: Int, largeProduct: LargeProduct? = nil, report: Report
    ) throws(Failure) {
        source = try BundleWeights(bundle)
        let pool = try ThreadPool(threads: threads)
        let places = model.equivalences
        var judge = Judge { [source] (report) throws(Failure) in
            try RewriteTrial(plan.recipe, model, source, calibration, pool, largeProduct, report: report)
        }
        for step in Self.order where plan.recipe.steps.contains(step) {
            let proposer = RewriteProposer(plan, model, source, calibration, pool, rewrites)
            var (findings, found): ([Finding], [String: Rewrite]) = ([], [:])
            var objections = step == .turnResidual ? model.residualStreams.objections : []
            let own = places.filter { $0.step == step }
            for (number, place) in own.enumerated() {
                if let proposal = try proposer.proposal(place) {
                    findings.append(proposal.finding)
                    found = found.then(proposal.rewrites)
                } else if case .residual(let stream) = place {
                    objections.append("the stream of \(stream.width) columns is odd, or has published codes")
                }
                try report(.init(done: number + 1, total: own.count, place: step.rawValue))
            }
            let changed = rewrites.then(found)
            let divergences = try found.isEmpty ? nil : judge.compare(rewrites, changed, report)
            let outcome = Outcome(
                step: step, findings: findings, objections: objections, divergences: divergences)
            if outcome.isKept { rewrites = changed }
            outcomes.append(outcome)
        }
    }

    /// Compares the answers of changed models; nothing is run before there is something to compare.
    private struct Judge {
        let makeTrial: (Report) throws(Failure) -> RewriteTrial
        private var trial: RewriteTrial?
        /// Of the better one of the last comparison, which the next starts from.
        private var best: Double?

        init(_ makeTrial: @escaping (Report) throws(Failure) -> RewriteTrial) { self.makeTrial = makeTrial }

        /// The divergences of what is kept so far and of what is proposed.
        mutating func compare(
            _ kept: [String: Rewrite], _ proposed: [String: Rewrite], _ report: Report
        ) throws(Failure) -> (without: Double, with: Double) {
            let run = if let trial { trial } else { try makeTrial(report) }
            let without = if let best { best } else { try run.divergence(kept, report: report) }
            let with = try run.divergence(proposed, report: report)
            (trial, best) = (run, min(without, with))
            return (without, with)
        }
    }

    /// The weights of the changed model.
    public var weights: RewrittenWeights<BundleWeights> { RewrittenWeights(source, rewrites) }
}

extension Equivalence {
    /// The step that makes use of it.
    fileprivate var step: Recipe.Step {
        switch self {
        case .scaling: .fold
        case .heads: .turnHeads
        case .residual: .turnResidual
        }
    }
}
