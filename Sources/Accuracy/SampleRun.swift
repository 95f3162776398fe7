import Prompts
import Runtime
import SampleSets
import Storage
import Tessera

/// Runs two models over samples, and compares what they foretell.
final class SampleRun {
    private let base: Model
    private let other: Model
    private let set: EvaluationSet
    /// The base's final hidden states at the positions that are compared, where they are known already.
    private let kept: KeptRun?
    /// How long the other's answers are, at most.
    private let answerTokens: Int
    private(set) var speeds = RunSpeeds()

    init(base: Model, other: Model, _ set: EvaluationSet, kept: KeptRun?, answerTokens: Int) {
        self.base = base
        self.other = other
        self.set = set
        self.kept = kept
        self.answerTokens = answerTokens
    }

    /// Compares over sample `number` of the set.
    func compare(_ number: Int) throws(Failure) -> SampleComparison {
        let sample = set.prepared.samples[number]
        let rows = set.rows(number)
        guard let first = rows.first else {
            return SampleComparison(divergence: Divergence(), otherAnswer: nil, parting: nil)
        }
        let visuals = Sides(base: try encode(base, sample), other: try encode(other, sample))
        let theirs = pick(try evaluate(.other, sample, visuals.other, from: first), rows, from: first)
        let hidden: Engine.Rows
        if let kept {
            hidden = try kept.hidden(number)
        } else {
            hidden = pick(try evaluate(.base, sample, visuals.base, from: first), rows, from: first)
        }
        var divergence = Divergence()
        try LogitComparison(base.engine, other.engine).add(
            hidden, theirs, targets: set.targets(number), places: rows, to: &divergence)
        guard let start = set.items[number].ownAnswer else {
            return SampleComparison(divergence: divergence, otherAnswer: nil, parting: nil)
        }
        let answer = try answer(sample, visuals.other, from: start)
        var parting: SampleComparison.Parting?
        if let token = Self.firstDifference(Array(sample.tokens[start...]), answer) {
            let row = rows.firstIndex(of: start + token - 1)
            parting = .init(
                token: token, base: try tops(base, hidden, row), other: try tops(other, theirs, row))
        }
        return SampleComparison(divergence: divergence, otherAnswer: answer, parting: parting)
    }

    /// The rows of a sample's visuals, one after the other; nil where there are none.
    private func encode(_ model: Model, _ sample: PreparedSet.Sample) throws(Failure) -> Engine.Rows? {
        guard !sample.visuals.isEmpty else { return nil }
        var rows: [Float] = []
        for index in sample.visuals {
            let patches = try set.patches.withPatches(index) { (bytes) throws(Failure) in
                Patches(
                    values: bytes.bindMemory(to: Float16.self).map(Float.init),
                    grid: set.prepared.visuals[index].grid)
            }
            rows += try model.encode(patches).values
        }
        return Engine.Rows(values: rows, columns: model.engine.visualWidth)
    }

    /// The first `tokens` tokens of a sample.
    private func input(
        _ sample: PreparedSet.Sample, _ visuals: Engine.Rows?, tokens: Int
    ) -> TextContext.Input {
        let axes = stride(from: 0, to: sample.positions.count, by: sample.tokens.count)
        return TextContext.Input(
            tokens: Array(sample.tokens.prefix(tokens)),
            positions: axes.flatMap { sample.positions[$0..<$0 + tokens] }, visuals: visuals,
            visualRows: sample.visualRows)
    }

    private func evaluate(
        _ side: Side, _ sample: PreparedSet.Sample, _ visuals: Engine.Rows?, from first: Int
    ) throws(Failure) -> Engine.Rows {
        let clock = ContinuousClock()
        let start = clock.now
        let rows = try evaluated(side == .base ? base : other, sample, visuals, from: first)
        speeds.add(side, tokens: sample.tokens.count, clock.now - start)
        return rows
    }

    private func evaluated(
        _ model: Model, _ sample: PreparedSet.Sample, _ visuals: Engine.Rows?, from first: Int
    ) throws(Failure) -> Engine.Rows {
        let count = sample.tokens.count
        let context = try TextContext(model.engine, capacity: count)
        return try context.evaluate(input(sample, visuals, tokens: count), wanted: .from(first))
    }

    /// Some of the rows of a sample whose first is number `first`.
    private func pick(_ hidden: Engine.Rows, _ rows: [Int], from first: Int) -> Engine.Rows {
        guard rows.count < hidden.count else { return hidden }
        let columns = hidden.columns
        return Engine.Rows(
            values: rows.flatMap { hidden.values[($0 - first) * columns..<($0 - first + 1) * columns] },
            columns: columns)
    }

    /// The other's own answer to what comes before token `start`.
    private func answer(
        _ sample: PreparedSet.Sample, _ visuals: Engine.Rows?, from start: Int
    ) throws(Failure) -> [Int32] {
        let context = try TextContext(other.engine, capacity: start + answerTokens)
        let hidden = try context.evaluate(prompt: input(sample, visuals, tokens: start))
        return try context.continueGreedily(
            from: hidden, next: sample.positions[start - 1] + 1, count: answerTokens,
            stops: other.prompt.stopTokens)
    }

    /// The most likely tokens at one of the rows.
    private func tops(_ model: Model, _ hidden: Engine.Rows, _ row: Int?) throws(Failure) -> TopTokens? {
        guard let row else { return nil }
        let range = row * hidden.columns..<(row + 1) * hidden.columns
        let logits = try model.engine.logits(
            Engine.Rows(values: Array(hidden.values[range]), columns: hidden.columns)
        )
        return logits.values.withUnsafeBufferPointer { TopTokens($0) }
    }

    private static func firstDifference(_ a: [Int32], _ b: [Int32]) -> Int? {
        zip(a, b).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            ?? (a.count == b.count ? nil : min(a.count, b.count))
    }
}

extension EvaluationSet {
    /// The positions of a sample that are compared, ascending: those that foretell a token of text, and the end of an own answer.
    func rows(_ number: Int) -> [Int] {
        let (sample, item) = (prepared.samples[number], items[number])
        let end = sample.tokens.count - 1
        return switch item.scored {
        case .all: sample.textRows + (item.ownAnswer == nil ? [] : [end])
        case .from(let first): Array(first..<end)
        }
    }

    /// What follows each of these positions; nil where nothing is known to.
    func targets(_ number: Int) -> [Int32?] {
        let tokens = prepared.samples[number].tokens
        return rows(number).map { $0 + 1 < tokens.count ? tokens[$0 + 1] : nil }
    }

    /// Whether each of these positions chooses a token of an answer.
    public func areAnswers(_ number: Int) -> [Bool] {
        let (sample, item) = (prepared.samples[number], items[number])
        let spans = sample.answers.map { $0.lowerBound - 1..<$0.upperBound - 1 }
        let own = item.ownAnswer.map { $0 - 1..<sample.tokens.count }
        return rows(number).map { row in
            own?.contains(row) == true || spans.contains { $0.contains(row) }
        }
    }
}
