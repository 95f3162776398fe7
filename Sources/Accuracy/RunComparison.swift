import Bundles
import GraphIR
import Runtime
import SampleSets
public import Storage
public import Tessera
import Threads

/// Two models over a set: how far what they foretell is apart, where their values part, and what each part costs.
///
/// All samples are run by both. Over some of them both are run part by part, so that the error of each part shows by itself; over
/// fewer still, where asked for, parts are exchanged one by one.
public struct RunComparison {
    /// What is measured.
    public struct Options: Sendable {
        /// How long the other's own answers are, at most.
        public var answerTokens: Int
        /// Tokens of the samples that are run part by part, where they are short enough.
        public var stageTokens: Int
        /// Tokens of the samples over which parts are exchanged; nil where they are not.
        public var attributionTokens: Int?

        /// What is measured by default.
        public init(answerTokens: Int = 64, stageTokens: Int = 2048, attributionTokens: Int? = nil) {
            self.answerTokens = answerTokens
            self.stageTokens = stageTokens
            self.attributionTokens = attributionTokens
        }
    }

    /// How far a comparison is.
    public struct Progress: Sendable {
        /// What is done and to be done of the step.
        public let done, total: Int
        /// The step: `samples, mean KL so far 0.018`.
        public let step: String
    }

    /// What was compared over.
    public let set: EvaluationSet
    /// By sample.
    public let samples: [SampleComparison]
    /// Over all positions that foretell a token of text.
    public let divergence: Divergence.Summary
    /// Over those that choose a token of an answer; nil where there are none.
    public let answerDivergence: Divergence.Summary?
    /// Where values part, in the order of execution.
    public let stages: [StageDifference]
    /// The numbers of the samples that ``stages`` are of.
    public let stageSamples: [Int]
    /// By visual of the set, where it was run part by part: how far the rows that stand for it are apart.
    public let visualErrors: [Int: [Float]]
    /// What each part costs; nil where it was not asked for.
    public let attribution: Attribution?
    /// How fast both read what was run.
    public let speeds: RunSpeeds
    /// Where the first value comes that is not finite; nil when all are.
    public let nonFinite: Failure?

    /// Compares over a set that the base made.
    /// - Parameters:
    ///   - kept: the base's final hidden states, where they are known.
    ///   - journal: keeps what is finished.
    /// - Throws: `mismatch` when the models are not of one shape, `badInput` when there is nothing to compare.
    public init(
        base: Model, other: Model, _ set: EvaluationSet, kept: KeptRun? = nil, options: Options = Options(),
        journal: RunJournal = RunJournal(),
        report: (Progress) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) {
        try PartedModel.check(base.engine.graph, other.engine.graph)
        self.set = set
        var run = SampleRun(
            base: base, other: other, set, kept: kept, answerTokens: options.answerTokens)
        var samples: [SampleComparison] = []
        var (all, answers) = (Divergence(), Divergence())
        for number in set.items.indices {
            let sample = try Self.sample(number, &run, journal)
            all.merge(sample.divergence)
            answers.merge(
                Divergence(zip(sample.divergence.positions, set.areAnswers(number)).filter(\.1).map(\.0)))
            samples.append(sample)
            let mean = all.mean.map { ", mean KL so far \(TensorDiagnosis.short($0))" } ?? ""
            try report(Progress(done: number + 1, total: set.items.count, step: "samples" + mean))
        }
        self.samples = samples
        speeds = run.speeds
        guard let divergence = all.summary else { throw .badInput("there is nothing to compare") }
        self.divergence = divergence
        answerDivergence = answers.summary

        let models = try Self.models(base, other)
        let excerpt = set.prepared.excerpt(tokens: options.stageTokens)
        let staged = try StagedComparison(models.sides, excerpt, set.patches) {
            (done, total) throws(Failure) in
            try report(Progress(done: done, total: total, step: "parts of the graphs"))
        }
        stages = staged.stages
        stageSamples = excerpt.samples
        visualErrors = Dictionary(zip(excerpt.visuals, staged.visualErrors)) { first, _ in first }
        nonFinite =
            try Self.nonFinite(divergence.nonFinite, samples, set, models.sides)
            ?? Self.nonFinite(staged.stages)
        attribution = try options.attributionTokens.map { (tokens) throws(Failure) in
            let excerpt = set.prepared.excerpt(tokens: tokens)
            return try Attribution(
                models, excerpt.set, patches: PatchSelection(store: set.patches, numbers: excerpt.visuals),
                journal: journal
            ) { (done, total) throws(Failure) in
                try report(Progress(done: done, total: total, step: "parts exchanged"))
            }
        }
    }

    private static func sample(
        _ number: Int, _ run: inout SampleRun, _ journal: RunJournal
    ) throws(Failure) -> SampleComparison {
        let key = "sample \(number)"
        if let bytes = journal.value(key) { return try SampleComparison(bytes: bytes) }
        let sample = try run.compare(number)
        try journal.keep(key, sample.bytes)
        return sample
    }

    private static func models(_ base: Model, _ other: Model) throws(Failure) -> AttributionModels {
        var options = other.engine.options
        let pool = base.engine.pool
        func parted(_ model: Model) -> PartedModel {
            PartedModel(model.bundle, model.engine.graph, pool, options.largeProduct)
        }
        let sides = Sides(base: parted(base), other: parted(other))
        // Parts run with a cache of float32; what is asked about is the runtime's.
        if options.cachePrecision == .float32 { options.cachePrecision = Engine.Options().cachePrecision }
        return AttributionModels(
            sides: sides, dequantized: sides.other.lending(DequantizedWeight.lending(other.bundle)),
            cached: try Engine(other.bundle, options))
    }

    /// Where values stop being finite, found by running the first sample with such a position once more, part by part.
    private static func nonFinite(
        _ found: NonFinite, _ samples: [SampleComparison], _ set: EvaluationSet, _ models: Sides<PartedModel>
    ) throws(Failure) -> Failure? {
        guard let failure = found.failure(at: "logits", unit: "position"),
            let number = samples.firstIndex(where: {
                $0.divergence.positions.contains { $0.nonFinite != nil }
            }),
            let position = samples[number].divergence.positions.first(where: { $0.nonFinite != nil })
        else { return nil }
        let place = "token \(position.place) of \(set.items[number].name)"
        let (part, visuals) = set.prepared.subset([number])
        let stages = try StagedComparison(
            models, .init(set: part, samples: [number], visuals: visuals), set.patches
        ) { _, _ in }.stages
        guard let stage = stages.first(where: { $0.accumulated.nonFinite.count > 0 }) else {
            return Failure(.mismatch, "\(failure.message), \(place)", at: "logits")
        }
        return Failure(
            .mismatch,
            "the logits are not finite at \(found.count) positions, the first \(place), of \(found.side.rawValue); "
                + "this stage is the first that is not, at row \(stage.accumulated.nonFinite.first)",
            at: stage.name)
    }

    private static func nonFinite(_ stages: [StageDifference]) -> Failure? {
        stages.lazy.compactMap { $0.accumulated.nonFinite.failure(at: $0.name, unit: "row") }.first
    }
}
