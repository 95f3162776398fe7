import Accuracy
import ArgumentParser
import CommandSupport
import Glibc
import Storage

/// Limits beyond which a comparison fails.
struct GateOptions: ParsableArguments {
    @Option(
        help: "Fail when a stage is further from its reference than this, relative to its largest value.",
        transform: number(0...1e9))
    var maxRelError: Double?

    @Option(help: "Fail when the mean KL divergence is above this.", transform: number(0...1e9))
    var maxKl: Double?

    @Option(
        help:
            "Fail when both find the same token most likely at fewer positions than this: up to 1 a share, above it percent.",
        transform: number(0...100))
    var minTop1: Double?

    @Option(
        help:
            "Fail when a stage's ratio of signal to quantization noise is below this, in decibels; a weight's where nothing is run.",
        transform: number(-1e3...1e3))
    var minSqnr: Double?

    @Option(
        help: "Fail when the accuracy of answers drops by more percentage points than this.",
        transform: number(0...100))
    var maxAccuracyDrop: Double?

    @Option(help: "Fail when a weight's relative error is above this.", transform: number(0...1e9))
    var maxWeightError: Double?

    @Option(
        help: "Fail when the report is worse than this one, which --json wrote of the same samples.")
    var baseline: String?

    /// The limits that need a run.
    var needRun: String? {
        if maxKl != nil { return "--max-kl" }
        if maxRelError != nil { return "--max-rel-error" }
        return minTop1 != nil ? "--min-top1" : nil
    }
}

/// Whether a limit that was given was kept.
struct Gate {
    let name: String
    let limit: Double
    let figure: Double
    let passed: Bool
    let words: String

    /// A measure that must not be above a limit.
    init(_ name: String, atMost limit: Double, _ figure: Double, _ words: String) {
        (self.name, self.limit, self.figure, self.words) = (name, limit, figure, words)
        passed = figure <= limit
    }

    /// A measure that must not be below a limit.
    init(_ name: String, atLeast limit: Double, _ figure: Double, _ words: String) {
        (self.name, self.limit, self.figure, self.words) = (name, limit, figure, words)
        passed = figure >= limit
    }

    /// A limit that nothing was measured for: a gate passes on something that was compared, or not at all.
    init(_ name: String, _ limit: Double, nothing words: String) {
        (self.name, self.limit, figure, self.words) = (name, limit, .nan, words)
        passed = false
    }

    var json: JSON {
        .pairs([
            "name": .string(name), "limit": .measure(limit), "figure": .measure(figure),
            "passed": .bool(passed), "words": .string(words),
        ])
    }

    /// What to say of it; nil where it was kept.
    var failure: Failure? { passed ? nil : Failure(.mismatch, words) }
}

extension GateOptions {
    /// The limits that were given, against what was compared; one that nothing was measured for is not kept.
    func gates(
        weights: WeightComparison, run: RunComparison?, answers: AnswerComparison?
    ) -> [Gate] {
        let all = [
            maxWeightError.map { GateOptions.weightError($0, weights.furthest) },
            maxKl.flatMap { limit in run.map { GateOptions.kl(limit, $0.divergence.mean) } },
            minTop1.flatMap { limit in run.map { GateOptions.top1(limit, $0.divergence.agreement) } },
            maxRelError.flatMap { limit in run.map { GateOptions.relativeError(limit, $0.stages) } },
            minSqnr.map { limit in
                run.map { GateOptions.signalToNoise(limit, $0.stages) }
                    ?? GateOptions.signalToNoise(limit, weights.furthest)
            },
            maxAccuracyDrop.map { GateOptions.accuracyDrop($0, answers) },
        ]
        return all.compactMap { $0 }
    }

    /// The limits that were given, against a reference.
    func gates(_ reference: GoldenComparison) -> [Gate] {
        guard let limit = maxKl else { return [] }
        guard let divergence = reference.divergence else {
            return [Gate("max-kl", limit, nothing: "there are no logits to measure a divergence by")]
        }
        return [GateOptions.kl(limit, divergence.mean)]
    }

    private static func weightError(_ limit: Double, _ furthest: TensorDifference?) -> Gate {
        guard let furthest else {
            return Gate("max-weight-error", limit, nothing: "there are no weights to compare")
        }
        let place = furthest.error <= limit ? "within" : "beyond"
        return Gate(
            "max-weight-error", atMost: limit, furthest.error,
            "tensor '\(furthest.name)' is \(place) --max-weight-error \(limit): relative error "
                + significant(furthest.error))
    }

    private static func kl(_ limit: Double, _ mean: Double) -> Gate {
        let much = mean.isFinite ? significant(mean) : "infinite"
        let place = mean <= limit ? "within" : "above"
        return Gate(
            "max-kl", atMost: limit, mean, "the mean KL divergence is \(much), \(place) \(limit) (--max-kl)")
    }

    private static func top1(_ limit: Double, _ share: Double) -> Gate {
        let least = limit > 1 ? limit / 100 : limit
        return Gate(
            "min-top1", atLeast: least, share,
            "the same token is most likely at \(fixed(share * 100, 2)) % of positions; --min-top1 is "
                + "\(fixed(least * 100, 2)) %")
    }

    /// The first stage that is beyond the limit says more than the furthest.
    private static func relativeError(_ limit: Double, _ stages: [StageDifference]) -> Gate {
        let errors = stages.map(\.accumulated)
        let first = errors.first { !($0.relativeMaximum <= limit) }
        guard let stage = first ?? errors.max(by: { $0.relativeMaximum < $1.relativeMaximum }) else {
            return Gate("max-rel-error", limit, nothing: "there are no stages to compare")
        }
        let place = first == nil ? "the furthest stage, within" : "the first stage beyond"
        return Gate(
            "max-rel-error", atMost: limit, stage.relativeMaximum,
            "\(stage.name) is \(place) \(limit): relative error \(significant(stage.relativeMaximum)) (--max-rel-error)"
        )
    }

    private static func signalToNoise(_ limit: Double, _ stages: [StageDifference]) -> Gate {
        guard let stage = stages.map(\.accumulated).min(by: { $0.signalToNoise < $1.signalToNoise }) else {
            return Gate("min-sqnr", limit, nothing: "there are no stages to compare")
        }
        return Gate(
            "min-sqnr", atLeast: limit, stage.signalToNoise,
            "\(stage.name) has \(fixed(stage.signalToNoise, 1)) dB; --min-sqnr is \(limit)")
    }

    private static func signalToNoise(_ limit: Double, _ furthest: TensorDifference?) -> Gate {
        guard let furthest else {
            return Gate("min-sqnr", limit, nothing: "there are no weights to compare")
        }
        let ratio = furthest.error > 0 ? -20 * log10(furthest.error) : .infinity
        return Gate(
            "min-sqnr", atLeast: limit, ratio,
            "tensor '\(furthest.name)' has \(fixed(ratio, 1)) dB; --min-sqnr is \(limit)")
    }

    private static func accuracyDrop(_ limit: Double, _ answers: AnswerComparison?) -> Gate {
        guard let answers else {
            return Gate(
                "max-accuracy-drop", limit, nothing: "the set has no question whose answer is known")
        }
        let drop = answers.accuracyDrop
        return Gate(
            "max-accuracy-drop", atMost: limit, drop,
            answers.drop(beyond: limit)?.message
                ?? "the accuracy drops by \(fixed(drop, 2)) percentage points; --max-accuracy-drop is \(limit)"
        )
    }
}
