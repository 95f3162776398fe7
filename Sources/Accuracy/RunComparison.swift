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
        public init(answerTokens: Int = 64, stageTokens: Int = 256, attributionTokens: Int? = nil) {
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
        let run = try Self.samples(base, other, set, kept, options.answerTokens, journal, report)
        let samples = run.samples
        var (all, answers) = (Divergence(), Divergence())
        for (number, sample) in samples.enumerated() {
            all.merge(sample.divergence)
            answers.merge(
                Divergence(zip(sample.divergence.positions, set.areAnswers(number)).filter(\.1).map(\.0)))
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
                threads: base.engine.options.threads, journal: journal
            ) { (done, total) throws(Failure) in
                try report(Progress(done: done, total: total, step: "parts exchanged"))
            }
        }
    }

    /// Runs what the journal does not know yet.
    private static func samples(
        _ base: Model, _ other: Model, _ set: EvaluationSet, _ kept: KeptRun?, _ answerTokens: Int,
        _ journal: RunJournal, _ report: (Progress) throws(Failure) -> Void
    ) throws(Failure) -> (samples: [SampleComparison], speeds: RunSpeeds) {
        var samples: [SampleComparison?] = try set.items.indices.map { (number) throws(Failure) in
            try journal.value("sample \(number)").map { (bytes) throws(Failure) in
                try SampleComparison(bytes: bytes)
            }
        }
        let due = samples.indices.filter { samples[$0] == nil }
        var lanes: [SampleRun] = []
        let run = try Lanes(threads: base.engine.options.threads, jobs: due.count) {
            (threads) throws(Failure) -> SampleRun in
            func twin(_ model: Model) throws(Failure) -> Model {
                var options = model.engine.options
                options.threads = threads
                return try model.twin(options)
            }
            let lane = SampleRun(
                base: try twin(base), other: try twin(other), set, kept: kept, answerTokens: answerTokens)
            lanes.append(lane)
            return lane
        }
        var (sum, count) = (0.0, 0)
        for sample in samples { add(sample, &sum, &count) }
        var done = samples.count - due.count
        try run.run(due, { (lane, number) throws(Failure) in try lane.compare(number) }) {
            (number, sample) throws(Failure) in
            try journal.keep("sample \(number)", sample.bytes)
            samples[number] = sample
            add(sample, &sum, &count)
            done += 1
            let mean = count > 0 ? ", mean KL so far \(TensorDiagnosis.short(sum / Double(count)))" : ""
            try report(Progress(done: done, total: samples.count, step: "samples" + mean))
        }
        return (samples.compactMap { $0 }, RunSpeeds(lanes.map(\.speeds)))
    }

    private static func add(_ sample: SampleComparison?, _ sum: inout Double, _ count: inout Int) {
        guard let sample, let mean = sample.divergence.mean else { return }
        sum += mean * Double(sample.divergence.count)
        count += sample.divergence.count
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
            sides: sides, dequantized: sides.other.lending(DequantizedWeight.lending(other.bundle, pool)),
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
