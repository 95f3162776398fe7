import Accuracy
import CommandSupport
import Storage

/// Comparisons as tables or JSON, on stdout.
struct DiffReport {
    private let json: Bool
    private let allStages: Bool

    init(json: Bool, allStages: Bool) {
        self.json = json
        self.allStages = allStages
    }

    func print(_ comparison: PromptComparison) {
        guard !json else {
            return print(
                .pairs([
                    "stages": .array(comparison.stages.map(\.json)), "divergence": comparison.divergence.json,
                    "answer_divergence": comparison.answerDivergence.json,
                    "base_answer": .string(comparison.baseAnswer),
                    "other_answer": .string(comparison.otherAnswer),
                    "first_difference": comparison.firstDifference.map(JSON.int) ?? .null,
                ]))
        }
        print(stages: comparison.stages)
        print("")
        print(divergences: [
            ("all positions", comparison.divergence), ("the answer", comparison.answerDivergence),
        ])
        print("")
        print("base   \(comparison.baseAnswer)")
        print("other  \(comparison.otherAnswer)")
        print(
            comparison.firstDifference.map { "the answers part at token \($0)" } ?? "the answers are the same"
        )
    }

    func print(_ comparison: TextComparison) {
        guard !json else {
            return print(
                .pairs([
                    "windows": .int(comparison.windows), "window": .int(comparison.window),
                    "divergence": comparison.divergence.json,
                ]))
        }
        print("\(comparison.windows) windows of \(comparison.window) tokens, the second half of each scored")
        print(divergences: [("the text", comparison.divergence)])
    }

    func print(_ comparison: GoldenComparison, tolerance: Double, _ faults: [Failure]) {
        let first = comparison.firstBeyond(tolerance)
        let greedy = comparison.greedy.map { $0.reference == $0.model }
        guard !json else {
            return print(
                .pairs([
                    "stages": .array(comparison.stages.map(\.json)),
                    "positions_equal": comparison.positionsEqual.map(JSON.bool) ?? .null,
                    "first_beyond_tolerance": (first?.name).map(JSON.string) ?? .null,
                    "tolerance": .double(tolerance), "divergence": comparison.divergence?.json ?? .null,
                    "greedy_equal": greedy.map(JSON.bool) ?? .null,
                    "not_compared": .array(comparison.missed.map(JSON.string)),
                    "faults": .array(faults.map { .string($0.description) }),
                ]))
        }
        print(stages: comparison.stages)
        if let equal = comparison.positionsEqual { print("positions are \(equal ? "equal" : "NOT equal")") }
        if let greedy { print("greedy tokens are \(greedy ? "equal" : "NOT equal")") }
        if let divergence = comparison.divergence { print(divergences: [("all positions", divergence)]) }
        let count = comparison.stages.count
        if let first {
            print("first stage beyond \(tolerance): \(first.name)")
        } else if count > 0 {
            print("all of \(count) stages are within \(tolerance)")
        }
        for fault in faults { print("FAILED: \(fault)") }
    }

    /// Of one model an object, of two an array of two.
    func print(_ counts: [AnswerCount]) {
        guard !json else {
            return print(counts.count == 1 ? counts[0].json : .array(counts.map(\.json)))
        }
        for count in counts {
            for item in count.items where allStages && !item.isRight {
                print("\(item.image): \(item.question) \(item.expected) was expected, not \(item.answer)")
            }
            print("\(count.model): \(count.right) of \(count.items.count) answers right")
        }
    }

    private func print(stages: [StageError]) {
        var table = Table("stage", "max |error| / max |base|", "relative L2", "SQNR dB", "cosine")
        for stage in stages
        where allStages || !(stage.name.hasSuffix(".attention") || stage.name.hasSuffix(".mlp")) {
            table.add(
                stage.name, significant(stage.relativeMaximum), significant(stage.relativeL2),
                stage.signalToNoise == .infinity ? "exact" : fixed(stage.signalToNoise, 1),
                fixed(stage.cosine, 6))
        }
        print(table.text)
    }

    private func print(divergences: [(String, Divergence.Summary)]) {
        var table = Table(
            "KL divergence over", "positions", "mean", "±", "median", "99 %", "99.9 %", "max", "same top-1",
            "perplexity")
        for (name, summary) in divergences {
            let perplexity = zip(summary.basePerplexity, summary.otherPerplexity).map {
                "\(fixed($0, 3)) → \(fixed($1, 3))"
            }
            table.add(
                name, "\(summary.positions)", significant(summary.mean), significant(summary.standardError),
                significant(summary.median), significant(summary.percentile99),
                significant(summary.percentile999),
                significant(summary.maximum), "\(fixed(summary.agreement * 100, 2)) %", perplexity ?? "")
        }
        print(table.text)
        for (name, summary) in divergences where summary.nonFinite.count > 0 {
            print(
                "over \(name), \(summary.nonFinite.count) of \(summary.positions) positions are not finite, "
                    + "the first \(summary.nonFinite.first)")
        }
    }

    private func print(_ json: JSON) { print(json.serialized(pretty: true)) }

    private func print(_ line: String) { Console.print(line) }
}

/// Both, when both are there.
private func zip<A, B>(_ a: A?, _ b: B?) -> (A, B)? {
    if let a, let b { (a, b) } else { nil }
}

extension JSON {
    /// A number; JSON has none that is not finite, and null could be taken for 0.
    static func measure(_ value: Double) -> JSON {
        if value.isFinite { return .double(value) }
        return value.isNaN ? "not a number" : value > 0 ? "infinite" : "-infinite"
    }
}

extension NonFinite {
    fileprivate var firstJSON: JSON {
        count == 0 ? .null : .pairs(["row": .int(first), "side": .string(side.rawValue)])
    }
}

extension AnswerCount {
    fileprivate var json: JSON {
        .pairs([
            "model": .string(model), "right": .int(right), "questions": .int(items.count),
            "wrong": .array(
                items.filter { !$0.isRight }.map {
                    .pairs([
                        "image": .string($0.image), "question": .string($0.question),
                        "expected": .string($0.expected), "answer": .string($0.answer),
                    ])
                }),
        ])
    }
}

extension StageError {
    fileprivate var json: JSON {
        .pairs([
            "name": .string(name), "relative_maximum": .measure(relativeMaximum),
            "relative_l2": .measure(relativeL2),
            "sqnr_db": signalToNoise == .infinity ? .null : .measure(signalToNoise),
            "cosine": .measure(cosine), "largest": .measure(largestReference),
            "non_finite": .int(nonFinite.count),
            "first_non_finite": nonFinite.firstJSON,
        ])
    }
}

extension Divergence.Summary {
    fileprivate var json: JSON {
        .pairs([
            "positions": .int(positions), "mean": .measure(mean), "standard_error": .measure(standardError),
            "median": .measure(median), "p99": .measure(percentile99), "p999": .measure(percentile999),
            "maximum": .measure(maximum), "same_top1": .double(agreement),
            "base_perplexity": basePerplexity.map(JSON.measure) ?? .null,
            "other_perplexity": otherPerplexity.map(JSON.measure) ?? .null,
            "non_finite": .int(nonFinite.count),
            "first_non_finite": nonFinite.firstJSON,
        ])
    }
}
