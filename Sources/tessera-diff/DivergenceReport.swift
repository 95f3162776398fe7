import Accuracy
import CommandSupport
import Storage

/// Figures on logits as tables, in the words of llama.cpp's perplexity tool.
struct DivergenceReport {
    private let parts: [(name: String, summary: Divergence.Summary)]

    /// Of parts of a comparison, with what they are called.
    init(_ parts: [(String, Divergence.Summary)]) { self.parts = parts.map { ($0.0, $0.1) } }

    /// Without an end of line.
    var text: String {
        var blocks = [overview]
        for part in parts {
            let (name, summary) = part
            blocks.append("\(capitalized(name)):\n\(details(summary))")
            if let growth = growth(summary) { blocks.append("over \(name), \(growth)") }
            if summary.nonFinite.count > 0 {
                blocks.append(
                    "over \(name), \(summary.nonFinite.count) of \(summary.positions) positions are not finite, "
                        + "the first \(summary.nonFinite.first)")
            }
        }
        return blocks.joined(separator: "\n")
    }

    private var overview: String {
        var table = Table(
            "over", "positions", "", "mean", "±", "1 %", "10 %", "median", "90 %", "99 %", "99.9 %", "max")
        for (name, summary) in parts {
            func add(_ first: [String], _ values: Distribution, _ text: (Double) -> String) {
                let cells = [values.mean.value, values.mean.standardError].map(text)
                let quantiles = [0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1].map { text(values.quantile($0)) }
                table.add(first + cells + quantiles)
            }
            add([name, "\(summary.positions)", "KL(base || other)"], summary.divergence, significant)
            add(["", "", "KL(other || base)"], summary.reverse, significant)
            if let change = summary.probabilityChange {
                add(["", "", "Δp, %"], change) { fixed($0 * 100, 3) }
            }
        }
        return table.text
    }

    private func details(_ summary: Divergence.Summary) -> String {
        var table = Table("", "", "±")
        func add(_ name: String, _ estimate: Estimate, percent: Bool = false) {
            let figures = [estimate.value, estimate.standardError]
            table.add([name] + figures.map { percent ? "\(fixed($0 * 100, 3)) %" : fixed($0, 6) })
        }
        add("Same top p", summary.sameTop, percent: true)
        if let rms = summary.probabilityChangeRMS { add("RMS Δp", rms, percent: true) }
        if let perplexity = summary.perplexity {
            add("PPL(Q)", perplexity.other)
            add("PPL(base)", perplexity.base)
            if let correlation = perplexity.correlation {
                table.add("cor(ln(PPL(Q)), ln(PPL(base)))", "\(fixed(correlation * 100, 2)) %", "")
            }
            add("ln(PPL(Q)/PPL(base))", perplexity.logRatio)
            add("PPL(Q)/PPL(base)", perplexity.ratio)
            add("PPL(Q)-PPL(base)", perplexity.difference)
        }
        return table.text
    }

    /// Whether the error grows along the sequence, where it does.
    private func growth(_ summary: Divergence.Summary) -> String? {
        guard let growth = summary.growth, growth.isClear else { return nil }
        return
            "the divergence grows along the sequence: \(significant(growth.late.value)) in the later half, "
            + "\(significant(growth.early.value)) in the earlier, "
            + "±\(significant(growth.difference.standardError)) between them"
    }

    private func capitalized(_ name: String) -> String { name.prefix(1).uppercased() + name.dropFirst() }
}

extension Divergence.Summary {
    /// All figures; changes of probability are shares, not percent.
    var json: JSON {
        .pairs([
            "positions": .int(positions), "mean": .measure(mean), "standard_error": .measure(standardError),
            "median": .measure(median), "p99": .measure(percentile99), "p999": .measure(percentile999),
            "maximum": .measure(maximum), "same_top1": .double(agreement),
            "base_perplexity": basePerplexity.map(JSON.measure) ?? .null,
            "other_perplexity": otherPerplexity.map(JSON.measure) ?? .null,
            "non_finite": .int(nonFinite.count),
            "first_non_finite": nonFinite.firstJSON,
            "same_top1_error": .measure(sameTop.standardError),
            "kl": divergence.json, "reverse_kl": reverse.json,
            "probability_change": probabilityChange?.json ?? .null,
            "probability_change_rms": probabilityChangeRMS?.json ?? .null,
            "perplexity": perplexity?.json ?? .null, "bands": .array(bands.map(\.json)),
            "growth": growth?.json ?? .null,
        ])
    }
}

extension Estimate {
    var json: JSON { .pairs(["value": .measure(value), "standard_error": .measure(standardError)]) }
}

extension Distribution {
    private static let quantiles: [(name: String, fraction: Double)] = [
        ("minimum", 0), ("p0_1", 0.001), ("p1", 0.01), ("p5", 0.05), ("p10", 0.1), ("p25", 0.25),
        ("median", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999),
        ("maximum", 1),
    ]

    fileprivate var json: JSON {
        var object = JSON.pairs([
            "mean": .measure(mean.value), "standard_error": .measure(mean.standardError),
        ])
        for (name, fraction) in Distribution.quantiles {
            object = object.setting(name, to: .measure(quantile(fraction)))
        }
        return object
    }
}

extension Divergence.Perplexity {
    fileprivate var json: JSON {
        .pairs([
            "base": base.json, "other": other.json,
            "correlation": correlation.map(JSON.measure) ?? .null, "log_ratio": logRatio.json,
            "ratio": ratio.json, "difference": difference.json,
        ])
    }
}

extension Divergence.Band {
    fileprivate var json: JSON {
        .pairs([
            "first": .int(places.lowerBound), "last": .int(places.upperBound - 1),
            "positions": .int(positions), "mean": .measure(mean.value),
            "standard_error": .measure(mean.standardError),
        ])
    }
}

extension Divergence.Growth {
    fileprivate var json: JSON {
        .pairs([
            "early": early.json, "late": late.json, "difference": difference.json, "clear": .bool(isClear),
        ])
    }
}
