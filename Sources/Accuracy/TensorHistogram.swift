public import Bundles
public import Storage

/// The values of a weight of two bundles, counted in bins that both share.
public struct TensorHistogram: Equatable, Sendable {
    /// The lower end of the first bin, and the upper end of the last.
    public let range: ClosedRange<Float>
    /// Values of the base in each bin; what lies outside counts in the first or last.
    public let base: [Int]
    /// The same of the other.
    public let other: [Int]

    /// Bins of a histogram.
    public static let bins = 48
    /// Rows that are read, evenly spread: the shape of a distribution shows in a few.
    private static let rows = 256

    /// Counts a sample of a weight's rows; nil where one of the bundles lacks it, or its values are all one, or not finite.
    /// - Throws: `badInput` for an encoding that has no rows of floats.
    public init?(_ name: String, base: Bundle, other: Bundle) throws(Failure) {
        guard let first = base[name], let second = other[name] else { return nil }
        let sides = Sides(
            base: try StoredRows(first, of: base), other: try StoredRows(second, of: other))
        guard sides.base.rows == sides.other.rows, sides.base.columns == sides.other.columns else {
            return nil
        }
        let step = max(1, sides.base.rows / Self.rows)
        let numbers = Array(stride(from: 0, to: sides.base.rows, by: step))
        var (low, high) = (Float.infinity, -Float.infinity)
        for number in numbers {
            for value in sides.base.row(number) where value.isFinite {
                (low, high) = (min(low, value), max(high, value))
            }
        }
        guard low < high else { return nil }
        range = low...high
        let scale = Float(Self.bins) / (high - low)
        func counts(_ stored: StoredRows) -> [Int] {
            var counts = Array(repeating: 0, count: Self.bins)
            for number in numbers {
                for value in stored.row(number) where !value.isNaN {
                    let place = (value - low) * scale
                    counts[place < 0 ? 0 : place >= Float(Self.bins) ? Self.bins - 1 : Int(place)] += 1
                }
            }
            return counts
        }
        (self.base, self.other) = (counts(sides.base), counts(sides.other))
    }
}
