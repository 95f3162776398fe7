internal import Glibc
public import Storage
public import Threads

/// What is known of the rows that a stage's linears read.
public final class StageStatistics {
    /// Their second moments.
    public let moments: SecondMoments
    /// The smallest and the largest element; 0 when nothing was seen.
    public private(set) var minimum: Float = .infinity, maximum: Float = -.infinity
    /// Σ x⁴ over all elements.
    private var fourth = 0.0
    /// Σ max |x|² over each group of columns, for each group size.
    private var peakSums: [[Double]]

    /// The sizes of groups whose peaks are kept: those that activations are quantized in.
    public static let groupSizes = [16, 32]

    /// Nothing seen yet.
    public init(columns: Int) {
        moments = SecondMoments(columns: columns)
        peakSums = Self.groupSizes.map { Array(repeating: 0, count: (columns + $0 - 1) / $0) }
    }

    /// How many peaks there are for so many columns.
    static func peakCount(columns: Int) -> Int { groupSizes.reduce(0) { $0 + (columns + $1 - 1) / $1 } }

    /// E[max |x|²] of each group of columns, group size after group size.
    public var peaks: [Float] {
        peakSums.flatMap { $0.map { Float($0 / Double(max(1, moments.count))) } }
    }

    /// Adds rows, which must be finite.
    public func add(_ rows: UnsafeBufferPointer<Float>, _ pool: ThreadPool) {
        moments.add(rows, pool)
        var sum = 0.0
        for value in rows {
            minimum = min(minimum, value)
            maximum = max(maximum, value)
            let square = Double(value) * Double(value)
            sum += square * square
        }
        fourth += sum
        addPeaks(rows)
    }

    private func addPeaks(_ rows: UnsafeBufferPointer<Float>) {
        let columns = moments.columns
        for start in stride(from: 0, to: rows.count, by: columns) {
            for (kind, size) in Self.groupSizes.enumerated() {
                for (group, first) in stride(from: 0, to: columns, by: size).enumerated() {
                    var peak: Float = 0
                    for column in first..<min(first + size, columns) {
                        peak = max(peak, abs(rows[start + column]))
                    }
                    peakSums[kind][group] += Double(peak) * Double(peak)
                }
            }
        }
    }

    /// As a calibration file keeps them: rows, smallest, largest, kurtosis of the elements, and the share of Σ x² that the
    /// largest hundredth of the columns has.
    /// - Throws: `badInput` when squares are beyond float32.
    public func summary() throws(Failure) -> StageSummary {
        _ = try moments.isEmpty()
        let diagonal = moments.diagonal.sorted(by: >)
        let total = diagonal.reduce(0) { $0 + Double($1) }
        let elements = Double(max(1, moments.count * moments.columns))
        let top = diagonal.prefix(max(1, diagonal.count / 100)).reduce(0) { $0 + Double($1) }
        return StageSummary(
            rows: moments.count, minimum: moments.count > 0 ? Double(minimum) : 0,
            maximum: moments.count > 0 ? Double(maximum) : 0,
            kurtosis: total > 0 ? fourth / elements / (total / elements * (total / elements)) : 0,
            topShare: total > 0 ? top / total : 0)
    }
}

/// A stage's inputs in a few figures.
public struct StageSummary: Equatable, Sendable {
    /// Rows seen.
    public let rows: Int
    /// The smallest and the largest element.
    public let minimum, maximum: Double
    /// E[x⁴] / E[x²]² over all elements; 3 for a normal distribution.
    public let kurtosis: Double
    /// The share of Σ x² in the largest hundredth of the columns.
    public let topShare: Double

    static let count = 5
    var values: [Double] { [Double(rows), minimum, maximum, kurtosis, topShare] }

    init(rows: Int, minimum: Double, maximum: Double, kurtosis: Double, topShare: Double) {
        self.rows = rows
        self.minimum = minimum
        self.maximum = maximum
        self.kurtosis = kurtosis
        self.topShare = topShare
    }

    /// Nil when the values cannot be those of a stage.
    init?(_ values: [Double]) {
        guard values.count == Self.count, values.allSatisfy(\.isFinite), values[0] >= 0, values[0] < 0x1p53,
            values[0].rounded() == values[0], values[1] <= values[2], values[3] >= 0, values[4] >= 0
        else { return nil }
        self.init(
            rows: Int(values[0]), minimum: values[1], maximum: values[2], kurtosis: values[3],
            topShare: values[4])
    }
}
