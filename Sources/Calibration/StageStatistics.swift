internal import CKernels
public import Storage
public import Threads

/// What is known of the rows that a stage's linears read.
public final class StageStatistics {
    /// Their second moments.
    public let moments: SecondMoments
    /// Rows seen.
    private var count = 0
    /// Of each panel of columns: the smallest and the largest element, Σ x⁴.
    private var spreads: [tsr_spread]
    /// Σ max |x|² over each group of 16 columns, and of 32.
    private var narrow, wide: [Double]

    /// The sizes of groups whose peaks are kept: those that activations are quantized in.
    public static let groupSizes = [16, 32]
    /// Columns that one thread goes through: fixed, so that nothing depends on the number of threads; whole groups.
    private static let panel = 256

    /// Of so many rows one goes into the moments.
    private let step: Int

    /// Nothing seen yet.
    /// - Parameter rows: how many will be.
    public init(columns: Int, rows: Int) {
        moments = SecondMoments(columns: columns)
        step = Self.step(columns: columns, rows: rows)
        spreads = Array(
            repeating: tsr_spread(least: .infinity, greatest: -.infinity, fourth: 0),
            count: (columns + Self.panel - 1) / Self.panel)
        (narrow, wide) = (
            Array(repeating: 0, count: (columns + 15) / 16), Array(repeating: 0, count: (columns + 31) / 32)
        )
    }

    /// The smallest and the largest element; infinite when nothing was seen.
    private var minimum: Float { spreads.reduce(.infinity) { min($0, $1.least) } }
    private var maximum: Float { spreads.reduce(-.infinity) { max($0, $1.greatest) } }

    /// Of wide inputs, whose products take most of the time, half of the rows do where these are still enough to tell pairs of
    /// columns by.
    private static func step(columns: Int, rows: Int) -> Int { columns > 4096 && rows >= 7 * columns ? 2 : 1 }

    /// How many peaks there are for so many columns.
    static func peakCount(columns: Int) -> Int { groupSizes.reduce(0) { $0 + (columns + $1 - 1) / $1 } }

    /// E[max |x|²] of each group of columns, group size after group size.
    public var peaks: [Float] { (narrow + wide).map { Float($0 / Double(max(1, count))) } }

    /// Adds rows, which must be finite.
    public func add(_ rows: UnsafeBufferPointer<Float>, _ pool: ThreadPool) {
        let columns = moments.columns
        guard columns > 0, let base = rows.baseAddress else { return }
        moments.add(rows, every: step, pool)
        count += rows.count / columns
        spreads.withUnsafeMutableBufferPointer { spreads in
            narrow.withUnsafeMutableBufferPointer { narrow in
                wide.withUnsafeMutableBufferPointer { wide in
                    nonisolated(unsafe) let (base, spreads) = (base, spreads.baseAddress)
                    nonisolated(unsafe) let (narrow, wide) = (narrow.baseAddress, wide.baseAddress)
                    pool.run((columns + Self.panel - 1) / Self.panel, grain: 1) { part in
                        for panel in part {
                            let first = panel * Self.panel
                            tsr_add_columns(
                                base + first, columns, rows.count / columns,
                                min(Self.panel, columns - first), narrow.map { $0 + first / 16 },
                                wide.map { $0 + first / 32 }, spreads.map { $0 + panel })
                        }
                    }
                }
            }
        }
    }

    /// Once all rows are added: lets the moments, of some of them perhaps, stand for all.
    func finish() { moments.stand(for: count) }

    /// As a calibration file keeps them: rows, smallest, largest, kurtosis of the elements, and the share of Σ x² that the
    /// largest hundredth of the columns has.
    /// - Throws: `badInput` when squares are beyond float32.
    public func summary() throws(Failure) -> StageSummary {
        _ = try moments.isEmpty()
        let diagonal = moments.diagonal.sorted(by: >)
        let total = diagonal.reduce(0) { $0 + Double($1) }
        let elements = Double(max(1, moments.count * moments.columns))
        let square = total / elements
        let fourth = spreads.reduce(0) { $0 + $1.fourth } / elements
        let top = diagonal.prefix(max(1, diagonal.count / 100)).reduce(0) { $0 + Double($1) }
        return StageSummary(
            rows: moments.count, minimum: moments.count > 0 ? Double(minimum) : 0,
            maximum: moments.count > 0 ? Double(maximum) : 0,
            kurtosis: total > 0 ? fourth / (square * square) : 0,
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
