import GraphIR
import Prompts
import Runtime
public import Storage
public import Tessera

/// Two models on the same prompt: where their values part, how far their answers are from each other.
///
/// The base model answers greedily; then both read the prompt with that answer, so that every position of both is
/// comparable.
public struct PromptComparison {
    /// In the order of execution; the base is the reference.
    public let stages: [StageError]
    /// Over all positions of the prompt and the answer.
    public let divergence: Divergence.Summary
    /// Over the positions that choose the answer's tokens.
    public let answerDivergence: Divergence.Summary
    /// The base model's greedy answer.
    public let baseAnswer: String
    /// The other model's greedy answer.
    public let otherAnswer: String
    /// The number of the first token of the answers that differs; nil when none does.
    public let firstDifference: Int?

    /// Where the first value comes that is not finite; nil when all are.
    public var nonFinite: Failure? {
        for stage in stages {
            if let failure = stage.nonFinite.failure(at: stage.name, unit: "row") { return failure }
        }
        return divergence.nonFinite.failure(at: "logits", unit: "position")
    }

    /// Compares on one turn with pictures.
    /// - Parameter answerTokens: how long the answers are, at most.
    /// - Throws: `mismatch` when the models are not of one shape.
    public init(
        base: Model, other: Model, pictures: [String], prompt text: String, answerTokens: Int
    ) throws(Failure) {
        guard base.engine.graph.weights == other.engine.graph.weights else {
            throw Failure(.mismatch, "the two bundles are not of the same model")
        }
        var parts: [Session.Part] = []
        for path in pictures { parts.append(.image(try base.picture(path))) }
        let tokenizer = try base.requireTokenizer()
        func answer(_ model: Model) throws(Failure) -> (prompt: PreparedPrompt, tokens: [Int32]) {
            let prompt = try Session(model, capacity: 1).prepare(parts + [.text(text)])
            let context = try TextContext(model.engine, capacity: prompt.tokens.count + answerTokens)
            let hidden = try context.evaluate(prompt: prompt.input(try model.encodeVisuals(of: prompt)))
            let tokens = try context.continueGreedily(
                from: hidden, next: prompt.positions.next, count: answerTokens,
                stops: model.prompt.stopTokens)
            return (prompt, tokens)
        }
        let (prompt, baseTokens) = try answer(base)
        let otherTokens = try answer(other).tokens
        baseAnswer = tokenizer.decode(baseTokens)
        otherAnswer = tokenizer.decode(otherTokens)
        firstDifference = PromptComparison.firstDifference(baseTokens, otherTokens)

        let whole = try PreparedPrompt(
            tokens: prompt.tokens + baseTokens, visuals: prompt.visuals, settings: base.prompt)
        let spool = try StageSpool()
        let baseHidden = try PromptComparison.evaluate(base, whole) { name, values, _ in
            spool.add(name, values)
        }
        let errors = StageErrors(spool)
        let otherHidden = try PromptComparison.evaluate(other, whole) { errors.add($0, $1, columns: $2) }
        stages = try errors.finish()
        let first = prompt.tokens.count - 1
        var (all, answers) = (Divergence(), Divergence())
        try LogitComparison(base.engine, other.engine).run(baseHidden, otherHidden) { row, p, q in
            let next = row + 1 < whole.tokens.count ? whole.tokens[row + 1] : nil
            // What follows a placeholder is another placeholder: nothing that a model predicts.
            let target = next.flatMap { whole.visualRows.contains($0) ? nil : $0 }
            all.add(base: p, other: q, target: row >= first ? target : nil)
            if row >= first, next != nil || row == first { answers.add(base: p, other: q, target: target) }
        }
        guard let divergence = all.summary, let answerDivergence = answers.summary else {
            throw .badInput("there is nothing to compare")
        }
        self.divergence = divergence
        self.answerDivergence = answerDivergence
    }

    private static func evaluate(
        _ model: Model, _ prompt: PreparedPrompt,
        _ show: @escaping Observer
    ) throws(Failure) -> Engine.Rows {
        let rows = try model.encodeVisuals(of: prompt) { index, _ in
            { name, values, columns in show("vision.\(name)", values, columns) }
        }
        let context = try TextContext(model.engine, capacity: prompt.tokens.count)
        return try context.evaluate(prompt.input(rows), wanted: .all) { name, values, columns in
            show("text.\(name)", values, columns)
        }
    }

    private static func firstDifference(_ a: [Int32], _ b: [Int32]) -> Int? {
        if let index = zip(a, b).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset {
            return index
        }
        return a.count == b.count ? nil : min(a.count, b.count)
    }
}

/// Compares the stages of a run with those spooled before, one after the other.
private final class StageErrors {
    private let spool: StageSpool
    private var next = 0
    private var order: [String] = []
    private var accumulators: [String: StageError.Accumulator] = [:]
    private var failure: Failure?

    init(_ spool: StageSpool) { self.spool = spool }

    /// The stages' errors, in order.
    /// - Throws: `mismatch` when the runs have other stages.
    func finish() throws(Failure) -> [StageError] {
        if let failure { throw failure }
        if next < spool.stages.count {
            throw Failure(
                .mismatch, "the two runs do not have the same stages", at: spool.stages[next].name)
        }
        return order.compactMap { name in accumulators[name]?.finish(name) }
    }

    func add(_ name: String, _ values: UnsafeBufferPointer<Float>, columns: Int) {
        guard failure == nil else { return }
        guard next < spool.stages.count, spool.stages[next].name == name,
            spool.stages[next].count == values.count
        else {
            failure = Failure(.mismatch, "the two runs do not have the same stages", at: name)
            return
        }
        if accumulators[name] == nil { order.append(name) }
        do {
            try spool.withValues(spool.stages[next]) {
                accumulators[name, default: .init()].add(values, reference: $0, columns: columns)
            }
        } catch { failure = error }
        next += 1
    }
}
