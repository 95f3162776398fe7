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
        private var finite = true

        /// Nothing added yet.
        public init() {}

        /// Adds elements `a` against their reference `b`.
        public mutating func add(_ a: UnsafeBufferPointer<Float>, reference b: UnsafeBufferPointer<Float>) {
            for index in a.indices {
                let delta = a[index] - b[index]
                finite = finite && a[index].isFinite
                difference += Double(delta) * Double(delta)
                reference += Double(b[index]) * Double(b[index])
                product += Double(a[index]) * Double(b[index])
                own += Double(a[index]) * Double(a[index])
                largestDifference = max(largestDifference, abs(delta))
                largestReference = max(largestReference, abs(b[index]))
            }
        }

        /// The measures of what was added.
        public func finish(_ name: String) -> StageError {
            let tiny = Double.leastNormalMagnitude
            return StageError(
                name: name,
                relativeMaximum: finite
                    ? Double(largestDifference) / max(Double(largestReference), tiny) : .infinity,
                relativeL2: finite ? (difference / max(reference, tiny)).squareRoot() : .infinity,
                cosine: product / max((own * reference).squareRoot(), tiny),
                largestReference: Double(largestReference))
        }
    }

    /// The stage: `vision.block.3`, `text.norm`, `logits`.
    public let name: String
    /// max |a − b| / max |b|.
    public let relativeMaximum: Double
    /// ‖a − b‖ / ‖b‖.
    public let relativeL2: Double
    /// Σ ab / (‖a‖ ‖b‖).
    public let cosine: Double
    /// max |b|.
    public let largestReference: Double

    /// Signal to quantization noise, in decibels: −20 log₁₀ of the relative L2 error.
    public var signalToNoise: Double { relativeL2 > 0 ? -20 * log10(relativeL2) : .infinity }
}
