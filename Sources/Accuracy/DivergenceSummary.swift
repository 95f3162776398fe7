import Glibc

extension Divergence {
    /// The measures over all positions, in the words of llama.cpp's perplexity tool. Divergences are in nats. All are infinite that
    /// a position without a finite divergence takes part in.
    ///
    /// Standard errors take the positions as drawn independently, as llama.cpp does; neighbours in a text are not quite.
    public struct Summary: Equatable, Sendable {
        /// Positions compared.
        public let positions: Int
        /// KL(base ‖ other).
        public let divergence: Distribution
        /// KL(other ‖ base).
        public let reverse: Distribution
        /// The share of positions at which both find the same token most likely: "same top p".
        public let sameTop: Estimate
        /// Where targets are known: "PPL(base)", "PPL(Q)" and what lies between.
        public let perplexity: Perplexity?
        /// By how much the other's probability of the token that follows is above the base's, where targets are known: "Δp", here
        /// as a share and not in percent.
        public let probabilityChange: Distribution?
        /// The root of the mean square of that: "RMS Δp".
        public let probabilityChangeRMS: Estimate?
        /// KL(base ‖ other) by position in the sequence.
        public let bands: [Band]
        /// Whether it grows along the sequence; nil where positions are all at one place.
        public let growth: Growth?
        /// The positions whose divergence is infinite.
        public let nonFinite: NonFinite

        /// Of at least one position.
        init(_ all: [Position]) {
            positions = all.count
            divergence = Distribution(all.map(\.divergence))
            reverse = Distribution(all.map(\.reverse))
            let share = Double(all.count { $0.agrees }) / Double(all.count)
            sameTop = Estimate(
                share, all.count > 1 ? (share * (1 - share) / Double(all.count - 1)).squareRoot() : 0)
            perplexity = Perplexity(all)
            let changes = all.compactMap(\.probabilityChange)
            probabilityChange = changes.isEmpty ? nil : Distribution(changes)
            probabilityChangeRMS =
                changes.isEmpty ? nil : Estimate(meanOf: changes.map { $0 * $0 }).squareRoot
            bands = Band.bands(of: all)
            growth = Growth(all)
            var nonFinite = NonFinite()
            for (index, position) in all.enumerated() {
                guard let side = position.nonFinite else { continue }
                nonFinite.add(index, base: side != .other, other: side != .base)
            }
            self.nonFinite = nonFinite
        }
    }

    /// Perplexities over the positions whose next token is known: e to the mean loss.
    public struct Perplexity: Equatable, Sendable {
        /// Of the base: "PPL(base)".
        public let base: Estimate
        /// Of the other: "PPL(Q)".
        public let other: Estimate
        /// "cor(ln(PPL(Q)), ln(PPL(base)))": of the two losses; nil where one of them never varies or is not finite.
        public let correlation: Double?
        /// "ln(PPL(Q)/PPL(base))", whose error is that of the losses' differences; infinite where either loss is.
        public let logRatio: Estimate
        /// "PPL(Q)/PPL(base)".
        public let ratio: Estimate
        /// "PPL(Q)-PPL(base)".
        public let difference: Estimate

        /// Nil where no next token is known.
        init?(_ positions: [Position]) {
            let known = positions.filter { $0.baseLoss != nil }.map(\.losses)
            guard !known.isEmpty else { return nil }
            let (p, q) = (Estimate(meanOf: known.map(\.base)), Estimate(meanOf: known.map(\.other)))
            base = p.exponential
            other = q.exponential
            guard p.value.isFinite, q.value.isFinite else {
                (correlation, logRatio) = (nil, Estimate(.infinity, .infinity))
                (ratio, difference) = (logRatio, logRatio)
                return
            }
            let products = known.reduce(0) { $0 + ($1.base - p.value) * ($1.other - q.value) }
            let count = Double(known.count)
            let covariance = count > 1 ? products / count / (count - 1) : 0
            let deviations = p.standardError * q.standardError
            correlation = deviations > 0 ? covariance / deviations : nil
            logRatio = Estimate(
                q.value - p.value, Estimate(meanOf: known.map { $0.other - $0.base }).standardError)
            ratio = logRatio.exponential
            let squares =
                other.standardError * other.standardError + base.standardError * base.standardError
            difference = Estimate(
                other.value - base.value,
                max(0, squares - 2 * base.value * other.value * covariance).squareRoot())
        }
    }

    /// The mean divergence of a part of the places in a sequence.
    public struct Band: Equatable, Sendable {
        /// Numbers in the sequence.
        public let places: Range<Int>
        /// How many positions are there.
        public let positions: Int
        /// Their mean KL(base ‖ other).
        public let mean: Estimate

        /// So many at most.
        public static let most = 16

        /// Up to ``most`` bands as wide as each other, but for the last; those without a position are left out.
        static func bands(of positions: [Position]) -> [Band] {
            guard let (first, width) = span(of: positions) else { return [] }
            let step = (width + most - 1) / most
            var parts = Array(repeating: [Double](), count: (width + step - 1) / step)
            for position in positions { parts[(position.place - first) / step].append(position.divergence) }
            return parts.enumerated().filter { !$0.element.isEmpty }.map { index, values in
                let start = first + index * step
                return Band(
                    places: start..<min(start + step, first + width), positions: values.count,
                    mean: Estimate(meanOf: values))
            }
        }

        /// The first place, and how many there are up to the last.
        fileprivate static func span(of positions: [Position]) -> (first: Int, width: Int)? {
            guard let first = positions.map(\.place).min(), let last = positions.map(\.place).max() else {
                return nil
            }
            return (first, last - first + 1)
        }
    }

    /// Whether the error grows along the sequence: the mean divergence in the later half of its places, less that in the earlier.
    public struct Growth: Equatable, Sendable {
        /// Mean KL(base ‖ other) in the earlier half.
        public let early: Estimate
        /// Mean KL(base ‖ other) in the later half.
        public let late: Estimate
        /// Late less early, with the standard error of two independent means.
        public let difference: Estimate

        /// Whether it grows by more than three standard errors: of a thousand pairs of runs that do not grow, one looks so.
        public var isClear: Bool {
            difference.value.isFinite && difference.value > 3 * difference.standardError
        }

        /// Nil unless either half has two positions.
        init?(_ positions: [Position]) {
            guard let (first, width) = Band.span(of: positions) else { return nil }
            let isLate = { (position: Position) in 2 * (position.place - first) >= width }
            let halves = [false, true].map { half in
                positions.filter { isLate($0) == half }.map(\.divergence)
            }
            guard halves.allSatisfy({ $0.count > 1 }) else { return nil }
            early = Estimate(meanOf: halves[0])
            late = Estimate(meanOf: halves[1])
            let isFinite = early.value.isFinite && late.value.isFinite
            difference = Estimate(
                isFinite ? late.value - early.value : .infinity,
                hypot(early.standardError, late.standardError))
        }
    }
}

extension Estimate {
    /// e to a figure.
    fileprivate var exponential: Estimate {
        Estimate(exp(value), exp(value) * standardError)
    }
}

/// The figures that most reports show.
extension Divergence.Summary {
    /// Mean KL(base ‖ other).
    public var mean: Double { divergence.mean.value }
    /// Of the mean.
    public var standardError: Double { divergence.mean.standardError }
    /// Half of the positions are below it.
    public var median: Double { divergence.median }
    /// 99 % of the positions are below it.
    public var percentile99: Double { divergence.quantile(0.99) }
    /// 99.9 % of the positions are below it.
    public var percentile999: Double { divergence.quantile(0.999) }
    /// The largest KL divergence.
    public var maximum: Double { divergence.maximum }
    /// The share of positions at which both find the same token most likely.
    public var agreement: Double { sameTop.value }
    /// Where targets are known.
    public var basePerplexity: Double? { perplexity?.base.value }
    /// Where targets are known.
    public var otherPerplexity: Double? { perplexity?.other.value }
}
