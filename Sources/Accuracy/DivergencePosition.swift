import CKernels
import Glibc

extension Divergence {
    /// What was found at one position, in 48 bytes.
    public struct Position: Equatable, Sendable {
        /// KL(base ‖ other) in nats; infinite where ``nonFinite`` is not nil.
        public internal(set) var divergence: Double
        /// KL(other ‖ base) in nats; infinite where the other is.
        public internal(set) var reverse: Double
        /// Losses of the token that follows, −1 where it is not known: no loss is negative.
        var losses: (base: Double, other: Double)
        /// The tokens that are most likely, −1 where a row is no distribution.
        var tops: (base: Int32, other: Int32)
        private var number: Int32
        /// Whose row is not finite; nil where both are.
        public internal(set) var nonFinite: NonFinite.Side?

        /// A position at which nothing differs.
        init(place: Int) {
            (divergence, reverse, losses, tops, nonFinite) = (0, 0, (-1, -1), (0, 0), nil)
            number = Int32(clamping: place)
        }

        /// Compares two rows of logits.
        init(
            _ base: UnsafeBufferPointer<Float>, _ other: UnsafeBufferPointer<Float>, target: Int32?,
            place: Int
        ) {
            self.init(place: place)
            let isPair = base.count == other.count
            var pair = tsr_logit_pair()
            // A row without a counterpart is compared with itself, for the figures that it has alone.
            tsr_compare_logits(base.baseAddress, (isPair ? other : base).baseAddress, base.count, &pair)
            let hasBase = pair.normalizer.0.isFinite
            let hasOther = isPair && pair.normalizer.1.isFinite
            tops = (
                hasBase ? Int32(clamping: pair.top.0) : -1, hasOther ? Int32(clamping: pair.top.1) : -1
            )
            if let target, base.indices.contains(Int(target)) {
                losses.base = hasBase ? pair.normalizer.0 - Double(base[Int(target)]) : .infinity
                losses.other = hasOther ? pair.normalizer.1 - Double(other[Int(target)]) : .infinity
            }
            (divergence, reverse) = (pair.divergence, pair.reverse)
            let isFinite = divergence.isFinite && reverse.isFinite
            let (onlyBase, onlyOther) = (pair.only.0 != 0, pair.only.1 != 0)
            if !hasBase || !hasOther {
                nonFinite = hasOther ? .base : hasBase ? .other : .both
            } else if !isFinite || onlyBase || onlyOther {
                nonFinite = onlyBase == onlyOther ? .both : onlyBase ? .base : .other
            }
            if nonFinite != nil { (divergence, reverse) = (.infinity, .infinity) }
        }

        /// Its number in the sequence.
        public var place: Int { Int(number) }

        /// −ln of the probability that the base gives the token that follows, if that is known.
        public var baseLoss: Double? { losses.base < 0 ? nil : losses.base }

        /// −ln of the probability that the other gives the token that follows, if that is known.
        public var otherLoss: Double? { losses.other < 0 ? nil : losses.other }

        /// By how much the other's probability of the token that follows is above the base's, if that is known.
        public var probabilityChange: Double? {
            losses.base < 0 ? nil : exp(-losses.other) - exp(-losses.base)
        }

        /// The token that the base finds most likely; nil for a row that is no distribution.
        public var baseTop: Int32? { tops.base < 0 ? nil : tops.base }

        /// The token that the other finds most likely; nil for a row that is no distribution.
        public var otherTop: Int32? { tops.other < 0 ? nil : tops.other }

        /// Whether both find the same token most likely.
        public var agrees: Bool { nonFinite == nil && tops.base == tops.other }

        /// Whether both say the same.
        public static func == (a: Position, b: Position) -> Bool {
            a.divergence == b.divergence && a.reverse == b.reverse && a.losses == b.losses && a.tops == b.tops
                && a.number == b.number && a.nonFinite == b.nonFinite
        }
    }
}
