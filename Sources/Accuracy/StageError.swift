import Glibc

/// How far the values of one stage are from a reference.
public struct StageError: Sendable {
    /// Σ (a − b)², Σ b², Σ ab, Σ a², max |a − b|, max |b|, accumulated over the rows of a stage.
    public struct Accumulator: Sendable {
        private var difference = 0.0
        private var reference = 0.0
        private var product = 0.0
        private var own = 0.0
        private var largestDifference: Float = 0
        private var largestReference: Float = 0
        private var nonFinite = NonFinite()
        private var rows = 0

        /// Nothing added yet.
        public init() {}

        /// Whether nothing was added.
        public var isEmpty: Bool { rows == 0 }

        /// Adds rows `a` of `columns` elements against their reference `b`.
        public mutating func add(
            _ a: UnsafeBufferPointer<Float>, reference b: UnsafeBufferPointer<Float>, columns: Int
        ) {
            for start in stride(from: 0, to: a.count, by: max(1, columns)) {
                let row = start..<min(a.count, start + max(1, columns))
                add(
                    row: rows, UnsafeBufferPointer(rebasing: a[row]),
                    reference: UnsafeBufferPointer(rebasing: b[row]))
            }
        }

        /// Adds row number `number`, and gives its relative L2 error.
        @discardableResult
        mutating func add(
            row number: Int, _ a: UnsafeBufferPointer<Float>, reference b: UnsafeBufferPointer<Float>
        ) -> Double {
            var (difference, reference, product, own) = (0.0, 0.0, 0.0, 0.0)
            var (largestDifference, largestReference): (Float, Float) = (0, 0)
            for index in a.indices {
                let delta = a[index] - b[index]
                difference += Double(delta) * Double(delta)
                reference += Double(b[index]) * Double(b[index])
                product += Double(a[index]) * Double(b[index])
                own += Double(a[index]) * Double(a[index])
                largestDifference = max(largestDifference, abs(delta))
                largestReference = max(largestReference, abs(b[index]))
            }
            // A sum of squares is finite where all values are, and where it overflows the row is searched.
            if !own.isFinite || !reference.isFinite {
                nonFinite.add(
                    number, base: !b.allSatisfy(\.isFinite), other: !a.allSatisfy(\.isFinite))
            }
            self.difference += difference
            self.reference += reference
            self.product += product
            self.own += own
            self.largestDifference = max(self.largestDifference, largestDifference)
            self.largestReference = max(self.largestReference, largestReference)
            rows += 1
            return (difference / max(reference, .leastNormalMagnitude)).squareRoot()
        }

        /// The same with other rows of the stage.
        func merged(_ other: Accumulator) -> Accumulator {
            var sum = self
            sum.difference += other.difference
            sum.reference += other.reference
            sum.product += other.product
            sum.own += other.own
            sum.largestDifference = max(largestDifference, other.largestDifference)
            sum.largestReference = max(largestReference, other.largestReference)
            sum.nonFinite = nonFinite.merged(other.nonFinite)
            sum.rows += other.rows
            return sum
        }

        /// The measures of what was added.
        public func finish(_ name: String) -> StageError {
            let tiny = Double.leastNormalMagnitude
            let finite = nonFinite.count == 0
            return StageError(
                name: name,
                relativeMaximum: finite
                    ? Double(largestDifference) / max(Double(largestReference), tiny) : .infinity,
                relativeL2: finite ? (difference / max(reference, tiny)).squareRoot() : .infinity,
                cosine: finite ? product / max((own * reference).squareRoot(), tiny) : .nan,
                largestReference: Double(largestReference), nonFinite: nonFinite)
        }
    }

    /// The stage: `vision.block.3`, `text.norm`, `logits`.
    public let name: String
    /// max |a − b| / max |b|; infinite where either is not finite.
    public let relativeMaximum: Double
    /// ‖a − b‖ / ‖b‖; infinite where either is not finite.
    public let relativeL2: Double
    /// Σ ab / (‖a‖ ‖b‖); NaN where either is not finite.
    public let cosine: Double
    /// max |b|.
    public let largestReference: Double
    /// The rows in which either is not finite; the base is the reference.
    public let nonFinite: NonFinite

    /// Signal to quantization noise, in decibels: −20 log₁₀ of the relative L2 error.
    public var signalToNoise: Double { relativeL2 > 0 ? -20 * log10(relativeL2) : .infinity }
}
