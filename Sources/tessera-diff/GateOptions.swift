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
    /// The limits that were given, against what was compared.
    func gates(
        weights: WeightComparison, run: RunComparison?, answers: AnswerComparison?
    ) -> [Gate] {
        var gates: [Gate] = []
        if let limit = maxWeightError, let furthest = weights.furthest {
            gates.append(
                Gate(
                    "max-weight-error", atMost: limit, furthest.error,
                    "tensor '\(furthest.name)' is \(furthest.error <= limit ? "within" : "beyond") --max-weight-error \(limit): "
                        + "relative error \(significant(furthest.error))"
                ))
        }
        if let run { gates += self.gates(run) }
        if let limit = minSqnr, run == nil, let furthest = weights.furthest {
            let ratio = furthest.error > 0 ? -20 * log10(furthest.error) : .infinity
            gates.append(
                Gate(
                    "min-sqnr", atLeast: limit, ratio,
                    "tensor '\(furthest.name)' has \(fixed(ratio, 1)) dB; --min-sqnr is \(limit)"))
        }
        if let limit = maxAccuracyDrop, let answers {
            let drop = answers.accuracyDrop
            gates.append(
                Gate(
                    "max-accuracy-drop", atMost: limit, drop,
                    answers.drop(beyond: limit)?.message
                        ?? "the accuracy drops by \(fixed(drop, 2)) percentage points; --max-accuracy-drop is \(limit)"
                ))
        }
        return gates
    }

    /// The limits that were given, against a reference.
    func gates(_ reference: GoldenComparison) -> [Gate] {
        guard let limit = maxKl, let divergence = reference.divergence else { return [] }
        return [GateOptions.maxKl(limit, divergence.mean)]
    }

    private static func maxKl(_ limit: Double, _ mean: Double) -> Gate {
        let much = mean.isFinite ? significant(mean) : "infinite"
        let place = mean <= limit ? "within" : "above"
        return Gate(
            "max-kl", atMost: limit, mean, "the mean KL divergence is \(much), \(place) \(limit) (--max-kl)")
    }

    private func gates(_ run: RunComparison) -> [Gate] {
        var gates: [Gate] = []
        if let limit = maxKl {
            let mean = run.divergence.mean
            let much = mean.isFinite ? significant(mean) : "infinite"
            let place = mean <= limit ? "within" : "above"
            gates.append(
                Gate(
                    "max-kl", atMost: limit, mean,
                    "the mean KL divergence is \(much), \(place) \(limit) (--max-kl)"))
        }
        if let limit = minTop1 {
            let least = limit > 1 ? limit / 100 : limit
            let share = run.divergence.agreement
            gates.append(
                Gate(
                    "min-top1", atLeast: least, share,
                    "the same token is most likely at \(fixed(share * 100, 2)) % of positions; --min-top1 is \(fixed(least * 100, 2)) %"
                ))
        }
        if let limit = maxRelError {
            let errors = run.stages.map(\.accumulated)
            // The first stage that is beyond the limit says more than the furthest.
            if let stage = errors.first(where: { !($0.relativeMaximum <= limit) })
                ?? errors.max(by: { $0.relativeMaximum < $1.relativeMaximum })
            {
                let beyond = !(stage.relativeMaximum <= limit)
                gates.append(
                    Gate(
                        "max-rel-error", atMost: limit, stage.relativeMaximum,
                        "\(stage.name) is \(beyond ? "the first stage beyond" : "the furthest stage, within") \(limit): "
                            + "relative error \(significant(stage.relativeMaximum)) (--max-rel-error)"))
            }
        }
        if let limit = minSqnr,
            let stage = run.stages.map(\.accumulated).min(by: { $0.signalToNoise < $1.signalToNoise })
        {
            gates.append(
                Gate(
                    "min-sqnr", atLeast: limit, stage.signalToNoise,
                    "\(stage.name) has \(fixed(stage.signalToNoise, 1)) dB; --min-sqnr is \(limit)"))
        }
        return gates
    }
}
