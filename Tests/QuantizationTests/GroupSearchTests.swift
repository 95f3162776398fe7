import GroupFormats
import Quantization
import Storage
import Testing

/// Searches one group as thoroughly as a regular grid of five by five placements allows, in doubles.
private struct GridSearch {
    let weights: [Double]
    let top: Double

    /// The least squared error: each end from a whole code inside the ends of the code book to half a code beyond.
    var error: Double {
        let low = min(weights.min() ?? 0, 0), range = (weights.max() ?? 0) - low
        let moves = stride(from: -1, through: 0.5, by: 0.375)
        return moves.flatMap { a in
            moves.map { b in
                let step = range / (top + a + b)
                return refitted(codes(scale: step, minimum: -low - a * step))
            }
        }.min() ?? .infinity
    }

    private func codes(scale: Double, minimum: Double) -> [Double] {
        weights.map { min(max((($0 + minimum) / scale).rounded(.toNearestOrEven), 0), top) }
    }

    /// What the line of least squares through these codes leaves.
    private func refitted(_ codes: [Double]) -> Double {
        let count = Double(codes.count)
        let meanCode = codes.reduce(0, +) / count, mean = weights.reduce(0, +) / count
        var variance = 0.0, covariance = 0.0, energy = 0.0
        for (q, w) in zip(codes, weights) {
            variance += (q - meanCode) * (q - meanCode)
            covariance += (q - meanCode) * (w - mean)
            energy += (w - mean) * (w - mean)
        }
        return variance > 0 ? energy - covariance * covariance / variance : energy
    }
}

@Suite struct GroupSearchTests {
    /// Rows of one group, so that its scale and minimum are whole multiples of the row's factors.
    @Test(arguments: GroupFormat.all.filter { $0.bits.rawValue < 8 }, [false, true])
    func losesAsLittleAsAGridDoes(format: GroupFormat, heavyTails: Bool) throws {
        var numbers = Numbers(17)
        let weights = (0..<512 * format.groupSize).map { _ in
            let value = numbers.normal()
            return heavyTails ? value * value * value : value
        }
        let fitted = try Fitted(weights, columns: format.groupSize, format, .search, magnitude: 0)
        let top = Double(1 << format.bits.rawValue - 1)
        let grid = stride(from: 0, to: weights.count, by: format.groupSize).reduce(0.0) { sum, start in
            let group = weights[start..<start + format.groupSize].map(Double.init)
            return sum + GridSearch(weights: group, top: top).error
        }
        #expect(fitted.distortion.squaredError < grid * 1.005)
    }
}
