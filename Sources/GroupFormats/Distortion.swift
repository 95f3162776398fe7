internal import Glibc

/// How far stored values are from the original ones.
public struct Distortion: Equatable, Sendable {
    /// Σ (w − ŵ)².
    public var squaredError: Double
    /// Σ w².
    public var energy: Double
    /// The greatest Σ (w − ŵ)² / Σ w² of a group of one row.
    public var worstGroup: Double

    /// Of values stored exactly, unless given otherwise.
    public init(squaredError: Double = 0, energy: Double = 0, worstGroup: Double = 0) {
        self.squaredError = squaredError
        self.energy = energy
        self.worstGroup = worstGroup
    }

    /// Of a row and what is read back in its place.
    public init(_ original: [Float], _ stored: [Float], groupSize: Int) {
        self.init()
        for start in stride(from: 0, to: original.count, by: groupSize) {
            var group = Distortion()
            for index in start..<min(start + groupSize, original.count) {
                let (value, error) = (
                    Double(original[index]), Double(stored[index]) - Double(original[index])
                )
                group.squaredError += error * error
                group.energy += value * value
            }
            group.worstGroup = group.normalised
            self += group
        }
    }

    /// Σ (w − ŵ)² / Σ w², and 0 where all is zero.
    public var normalised: Double { energy > 0 ? squaredError / energy : 0 }

    /// ‖w − ŵ‖ / ‖w‖.
    public var relative: Double { normalised.squareRoot() }

    /// The ratio of signal to quantization noise, SQNR, in decibels; infinite where nothing was lost.
    public var decibels: Double { -10 * log10(normalised) }

    /// Adds what is known of other values. Sums of floats depend on their order, which is the caller's.
    public static func += (left: inout Distortion, right: Distortion) {
        left.squaredError += right.squaredError
        left.energy += right.energy
        left.worstGroup = max(left.worstGroup, right.worstGroup)
    }
}
