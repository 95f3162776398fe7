import Glibc

/// How far a model's next-token distributions are from those of a base model, position by position.
///
/// The measures are those of llama.cpp's perplexity tool: KL(base ‖ other) in nats, agreement of the most likely token,
/// and perplexities where the next token is known.
public struct Divergence: Sendable {
    private var divergences: [Double] = []
    private var agreements = 0
    private var baseLosses: [Double] = []
    private var otherLosses: [Double] = []

    /// Nothing compared yet.
    public init() {}

    /// Positions compared.
    public var count: Int { divergences.count }

    /// Compares one position; `target` is the token that follows, if known.
    public mutating func add(
        base: UnsafeBufferPointer<Float>, other: UnsafeBufferPointer<Float>, target: Int32?
    ) {
        let (p, q) = (LogNormalizer(base), LogNormalizer(other))
        var sum = 0.0
        for index in base.indices {
            let logP = base[index] - p.offset
            // Below e⁻⁶⁰ a term is less than a double can add.
            guard logP > -60 else { continue }
            sum += Double(expf(logP)) * Double(logP - (other[index] - q.offset))
        }
        divergences.append(max(0, sum))
        agreements += p.mostLikely == q.mostLikely ? 1 : 0
        if let target, base.indices.contains(Int(target)) {
            baseLosses.append(Double(p.offset - base[Int(target)]))
            otherLosses.append(Double(q.offset - other[Int(target)]))
        }
    }

    /// Adds the positions of another comparison of the same pair.
    public mutating func append(_ part: Divergence) {
        divergences += part.divergences
        agreements += part.agreements
        baseLosses += part.baseLosses
        otherLosses += part.otherLosses
    }

    /// The measures over all positions; nil when there are none.
    public var summary: Summary? {
        guard !divergences.isEmpty else { return nil }
        let sorted = divergences.sorted()
        let mean = Divergence.mean(divergences)
        let variance = Divergence.mean(divergences.map { ($0 - mean) * ($0 - mean) })
        return Summary(
            positions: count, mean: mean, standardError: (variance / Double(count)).squareRoot(),
            median: Divergence.quantile(sorted, 0.5), percentile99: Divergence.quantile(sorted, 0.99),
            percentile999: Divergence.quantile(sorted, 0.999), maximum: sorted[sorted.count - 1],
            agreement: Double(agreements) / Double(count),
            basePerplexity: baseLosses.isEmpty ? nil : exp(Divergence.mean(baseLosses)),
            otherPerplexity: otherLosses.isEmpty ? nil : exp(Divergence.mean(otherLosses)))
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

    /// Linear between neighbours.
    private static func quantile(_ sorted: [Double], _ fraction: Double) -> Double {
        let place = fraction * Double(sorted.count - 1)
        let lower = Int(place)
        let upper = min(lower + 1, sorted.count - 1)
        return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
    }

    /// KL divergences are in nats.
    public struct Summary: Sendable {
        /// Positions compared.
        public let positions: Int
        /// Mean KL divergence.
        public let mean: Double
        /// Of the mean.
        public let standardError: Double
        /// Half of the positions are below it.
        public let median: Double
        /// 99 % of the positions are below it.
        public let percentile99: Double
        /// 99.9 % of the positions are below it.
        public let percentile999: Double
        /// The largest KL divergence.
        public let maximum: Double
        /// The share of positions at which both find the same token most likely.
        public let agreement: Double
        /// Where targets are known.
        public let basePerplexity: Double?
        /// Where targets are known.
        public let otherPerplexity: Double?
    }
}

/// log Σ exp of a row of logits, and where its maximum is.
private struct LogNormalizer {
    let offset: Float
    let mostLikely: Int

    init(_ logits: UnsafeBufferPointer<Float>) {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        let highest = logits[best]
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - highest)) }
        offset = highest + Float(log(sum))
        mostLikely = best
    }
}
