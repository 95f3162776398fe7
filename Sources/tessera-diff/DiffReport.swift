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

    /// Of one model an object.
    func print(_ count: AnswerCount) {
        print(AnswerReport(allAnswers: allStages).report(count), json: count.json)
    }

    /// An array of two, the other with what lies between them.
    func print(_ comparison: AnswerComparison) {
        print(
            AnswerReport(allAnswers: allStages).report(comparison),
            json: .array([
                comparison.base.json, comparison.other.json.setting("difference", to: comparison.json),
            ]))
    }

    private func print(_ text: String, json document: JSON) {
        if json { print(document) } else { print(text) }
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
        print(DivergenceReport(divergences).text)
    }

    private func print(_ json: JSON) { print(json.serialized(pretty: true)) }

    private func print(_ line: String) { Console.print(line) }
}

extension JSON {
    /// A number; JSON has none that is not finite, and null could be taken for 0.
    static func measure(_ value: Double) -> JSON {
        if value.isFinite { return .double(value) }
        return value.isNaN ? "not a number" : value > 0 ? "infinite" : "-infinite"
    }
}

extension NonFinite {
    var firstJSON: JSON {
        count == 0 ? .null : .pairs(["row": .int(first), "side": .string(side.rawValue)])
    }
}

extension StageError {
    var json: JSON {
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
