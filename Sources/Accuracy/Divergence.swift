import Glibc

/// How far a model's next-token distributions are from those of a base model, position by position.
///
/// The measures are those of llama.cpp's perplexity tool: KL(base ‖ other) in nats, agreement of the most likely token,
/// and perplexities where the next token is known.
///
/// A logit of −∞ is a probability of 0; where both rows have it, it adds nothing. Any other value that is not finite, and a −∞
/// that only one of the two has, makes the rows differ without limit: the divergence of that position is infinite, its tokens
/// do not agree, and `Summary.nonFinite` counts it.
public struct Divergence: Sendable {
    private var divergences: [Double] = []
    private var agreements = 0
    private var baseLosses: [Double] = []
    private var otherLosses: [Double] = []
    private var nonFinite = NonFinite()

    /// Nothing compared yet.
    public init() {}

    /// Positions compared.
    public var count: Int { divergences.count }

    /// Compares one position; `target` is the token that follows, if known.
    public mutating func add(
        base: UnsafeBufferPointer<Float>, other: UnsafeBufferPointer<Float>, target: Int32?
    ) {
        let (p, q) = (LogNormalizer(base), other.count == base.count ? LogNormalizer(other) : nil)
        if let target, base.indices.contains(Int(target)) {
            baseLosses.append(p.map { Double($0.offset - base[Int(target)]) } ?? .infinity)
            otherLosses.append(q.map { Double($0.offset - other[Int(target)]) } ?? .infinity)
        }
        guard let p, let q else {
            nonFinite.add(count, base: p == nil, other: q == nil)
            return divergences.append(.infinity)
        }
        var sum = 0.0
        var (onlyBase, onlyOther) = (false, false)
        for index in base.indices {
            let (a, b) = (base[index], other[index])
            onlyBase = onlyBase || (a == -.infinity && b != -.infinity)
            onlyOther = onlyOther || (b == -.infinity && a != -.infinity)
            let logP = a - p.offset
            // Below e⁻⁶⁰ a term is less than a double can add.
            guard logP > -60 else { continue }
            sum += Double(expf(logP)) * Double(logP - (b - q.offset))
        }
        agreements += p.mostLikely == q.mostLikely ? 1 : 0
        guard sum.isFinite, !onlyBase, !onlyOther else {
            nonFinite.add(count, base: onlyBase || !onlyOther, other: onlyOther || !onlyBase)
            return divergences.append(.infinity)
        }
        divergences.append(max(0, sum))
    }

    /// The measures over all positions; nil when there are none.
    public var summary: Summary? {
        guard !divergences.isEmpty else { return nil }
        let sorted = divergences.sorted()
        let mean = Divergence.mean(divergences)
        let variance = Divergence.mean(divergences.map { ($0 - mean) * ($0 - mean) })
        return Summary(
            positions: count, mean: mean,
            standardError: mean.isFinite ? (variance / Double(count)).squareRoot() : .infinity,
            median: Divergence.quantile(sorted, 0.5), percentile99: Divergence.quantile(sorted, 0.99),
            percentile999: Divergence.quantile(sorted, 0.999), maximum: sorted[sorted.count - 1],
            agreement: Double(agreements) / Double(count),
            basePerplexity: baseLosses.isEmpty ? nil : exp(Divergence.mean(baseLosses)),
            otherPerplexity: otherLosses.isEmpty ? nil : exp(Divergence.mean(otherLosses)),
            nonFinite: nonFinite)
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

    /// Linear between neighbours; infinite above a finite one whose upper neighbour is.
    private static func quantile(_ sorted: [Double], _ fraction: Double) -> Double {
        let place = fraction * Double(sorted.count - 1)
        let lower = Int(place)
        let upper = min(lower + 1, sorted.count - 1)
        let share = place - Double(lower)
        // Between two infinities there is no difference to take a share of.
        guard sorted[upper].isFinite else { return share > 0 ? sorted[upper] : sorted[lower] }
        return sorted[lower] + (sorted[upper] - sorted[lower]) * share
    }

    /// KL divergences are in nats. All are infinite that a position without a finite divergence takes part in.
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
        /// The positions whose divergence is infinite.
        public let nonFinite: NonFinite
    }
}

/// log Σ exp of a row of logits, and where its maximum is.
private struct LogNormalizer {
    let offset: Float
    let mostLikely: Int

    /// Nil for a row that is no distribution: with a NaN or +∞ in it, or without a finite maximum.
    init?(_ logits: UnsafeBufferPointer<Float>) {
        guard !logits.isEmpty else { return nil }
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        let highest = logits[best]
        guard highest.isFinite else { return nil }
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - highest)) }
        // A NaN anywhere in the row makes it one.
        guard sum.isFinite else { return nil }
        offset = highest + Float(log(sum))
        mostLikely = best
    }
}
