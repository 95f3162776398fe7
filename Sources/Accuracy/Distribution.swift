import Glibc

/// A figure and how far it may be off, were the positions drawn at random: one standard error.
public struct Estimate: Equatable, Sendable {
    /// The figure.
    public let value: Double
    /// Of the figure; infinite with a value that is, and 0 where one position alone says nothing of it.
    public let standardError: Double

    init(_ value: Double, _ standardError: Double) {
        self.value = value
        self.standardError = value.isFinite ? standardError : .infinity
    }

    /// The mean of values, with the standard error √(variance / (n − 1)), the variance that of these n values.
    init(meanOf values: some Collection<Double>) {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.init(mean, count > 1 ? (squares / count / (count - 1)).squareRoot() : 0)
    }

    /// The root of a figure that is not negative.
    var squareRoot: Estimate {
        Estimate(value.squareRoot(), value > 0 ? standardError / (2 * value.squareRoot()) : 0)
    }
}

/// How values are distributed.
public struct Distribution: Equatable, Sendable {
    /// Their mean.
    public let mean: Estimate
    private let sorted: [Double]

    /// Of at least one value; none may be NaN.
    init(_ values: [Double]) {
        mean = Estimate(meanOf: values)
        sorted = values.sorted()
    }

    /// The value that a share of the values is below, linear between neighbours; infinite above a finite one whose upper neighbour
    /// is.
    /// - Parameter fraction: 0 for the least, 1 for the largest.
    public func quantile(_ fraction: Double) -> Double {
        let place = min(max(fraction, 0), 1) * Double(sorted.count - 1)
        let lower = Int(place)
        let upper = min(lower + 1, sorted.count - 1)
        let share = place - Double(lower)
        // Between two infinities there is no difference to take a share of.
        guard sorted[upper].isFinite else { return share > 0 ? sorted[upper] : sorted[lower] }
        return sorted[lower] + (sorted[upper] - sorted[lower]) * share
    }

    /// Half of the values are below it.
    public var median: Double { quantile(0.5) }
    /// The least value.
    public var minimum: Double { quantile(0) }
    /// The largest value.
    public var maximum: Double { quantile(1) }
}
