internal import COpenBLAS
public import Storage
public import Threads

/// Σ x xᵀ and Σ x over the rows x that a linear reads: what its quantization error is weighed with.
///
/// The same bits for any number of threads. Products of 512 rows at a time are summed in float32: for N rows the relative
/// error is about √(N / 512)·2⁻²⁴.
public final class SecondMoments {
    /// K.
    public let columns: Int
    /// Rows seen, each by its weight.
    public private(set) var weight = 0.0
    /// Rows seen.
    public private(set) var count = 0
    /// [K, K], of which the lower triangle, row by row, is kept up.
    private let products: UnsafeMutableBufferPointer<Float>
    /// [K].
    public private(set) var sums: [Double]

    /// Columns whose products are computed together: fixed, so that nothing depends on the number of threads.
    private static let panel = 256
    private static let rows = 512

    /// Nothing seen yet.
    public init(columns: Int) {
        self.columns = columns
        products = .allocate(capacity: columns * columns)
        products.initialize(repeating: 0)
        sums = Array(repeating: 0, count: columns)
        // The threads that share the panels are ours; a second pool would fight them for the cores.
        openblas_set_num_threads(1)
    }

    deinit { products.deallocate() }

    /// Adds rows of K elements each.
    /// - Parameter step: of so many rows one is added, the first of them.
    public func add(_ rows: UnsafeBufferPointer<Float>, every step: Int = 1, _ pool: ThreadPool) {
        guard columns > 0, let base = rows.baseAddress else { return }
        let total = (rows.count / columns + step - 1) / step
        for start in stride(from: 0, to: total, by: Self.rows) {
            addChunk(base + start * step * columns, min(Self.rows, total - start), step * columns, pool)
        }
        count += total
        weight += Double(total)
    }

    /// Adds `n` rows, `pitch` floats from one to the next.
    private func addChunk(_ x: UnsafePointer<Float>, _ n: Int, _ pitch: Int, _ pool: ThreadPool) {
        guard let products = products.baseAddress else { return }
        let k = columns
        let panels = (k + Self.panel - 1) / Self.panel
        nonisolated(unsafe) let (source, target) = (x, products)
        sums.withUnsafeMutableBufferPointer { sums in
            nonisolated(unsafe) let sums = sums
            pool.run(panels, grain: 1) { range in
                // The longest rows first: threads end together.
                for panel in range.map({ panels - 1 - $0 }) {
                    let first = panel * Self.panel
                    let width = min(Self.panel, k - first)
                    cblas_sgemm(
                        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(width), Int32(first), Int32(n), 1,
                        source + first, Int32(pitch), source, Int32(pitch), 1, target + first * k, Int32(k))
                    cblas_ssyrk(
                        CblasRowMajor, CblasLower, CblasTrans, Int32(width), Int32(n), 1, source + first,
                        Int32(pitch), 1, target + first * (k + 1), Int32(k))
                    for row in 0..<n {
                        for column in first..<first + width {
                            sums[column] += Double(source[row * pitch + column])
                        }
                    }
                }
            }
        }
    }

    /// Lets the rows seen stand for `total` rows.
    func stand(for total: Int) {
        guard count > 0, count != total else { return }
        let factor = Double(total) / weight
        for index in products.indices { products[index] *= Float(factor) }
        for index in sums.indices { sums[index] *= factor }
        (count, weight) = (total, Double(total))
    }

    /// Σ x[i]·x[j].
    public subscript(i: Int, j: Int) -> Float { products[max(i, j) * columns + min(i, j)] }

    /// Σ x².
    public var diagonal: [Float] { (0..<columns).map { products[$0 * columns + $0] } }

    /// E[x²] of each column; differences of moments that came out below 0 by rounding are 0.
    /// - Throws: `badInput` when nothing was seen, or one is not finite.
    public func meanSquares() throws(Failure) -> [Float] {
        let squares = diagonal.map { $0 / Float(weight) }
        guard squares.allSatisfy(\.isFinite) else {
            throw .badInput("the mean squares of the inputs are not finite")
        }
        return squares.map { max(0, $0) }
    }

    /// E[x]; zeros when nothing was seen.
    public var mean: [Float] { sums.map { weight > 0 ? Float($0 / weight) : 0 } }

    /// The rows of the lower triangle, one after the other: K(K + 1)/2 values.
    public func forEachTriangleRow(
        _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        for row in 0..<columns {
            try body(UnsafeBufferPointer(rebasing: products[row * columns..<row * columns + row + 1]))
        }
    }

    /// Adds the moments of `count` rows as a file keeps them: a lower triangle, and E[x].
    public func add(triangle: UnsafeBufferPointer<Float>, mean: [Float], count: Int) {
        precondition(triangle.count == columns * (columns + 1) / 2 && mean.count == columns)
        var next = 0
        for row in 0..<columns {
            for column in 0...row {
                products[row * columns + column] += triangle[next]
                next += 1
            }
            sums[row] += Double(mean[row]) * Double(count)
        }
        self.count += count
        weight += Double(count)
    }

    /// Adds what other moments of as many columns have seen, each of their rows counting `share` times.
    public func add(_ other: SecondMoments, share: Double = 1) {
        precondition(other.columns == columns)
        for row in 0..<columns {
            for index in row * columns...row * columns + row {
                products[index] += Float(Double(other.products[index]) * share)
            }
            sums[row] += other.sums[row] * share
        }
        count += other.count
        weight += other.weight * share
    }

    /// Σ x² over all columns.
    public var trace: Double { (0..<columns).reduce(0) { $0 + Double(products[$1 * columns + $1]) } }

    /// Whether no row was seen, or none that was not 0.
    ///
    /// - Throws: `badInput` when squares are not finite: rows were not, or are beyond what float32 holds the squares of.
    func isEmpty() throws(Failure) -> Bool {
        guard trace.isFinite else {
            throw .badInput("the second moments of the inputs are not finite")
        }
        return trace <= 0
    }

    /// Moments in which each of `parts` counts alike, whatever its number of rows and their size; nil when nothing was seen.
    /// - Throws: `badInput` when any of them is not finite.
    public static func balanced(_ parts: [SecondMoments]) throws(Failure) -> SecondMoments? {
        let parts = try seen(parts)
        guard let first = parts.first, parts.count > 1 else { return parts.first }
        let result = SecondMoments(columns: first.columns)
        for part in parts { result.add(part, share: 1 / part.trace) }
        return result
    }

    private static func seen(_ parts: [SecondMoments]) throws(Failure) -> [SecondMoments] {
        var seen: [SecondMoments] = []
        for part in parts where try !part.isEmpty() { seen.append(part) }
        return seen
    }

    /// These moments and those of `rows` more rows, which are as `all` are on average; both of mean size 1.
    ///
    /// What few rows say of single pairs of columns is mostly chance: the fewer there are, the more `all` says in their place.
    /// - Throws: `badInput` when either is not finite.
    func shrunk(towards all: SecondMoments, rows: Double) throws(Failure) -> SecondMoments {
        let result = SecondMoments(columns: columns)
        if try !isEmpty() { result.add(self, share: Double(count) / trace) }
        if try !all.isEmpty() { result.add(all, share: rows / all.trace) }
        return result
    }

    /// The moments of x − E[x].
    public func centred() -> SecondMoments {
        let result = SecondMoments(columns: columns)
        (result.count, result.weight) = (count, weight)
        for row in 0..<columns {
            let mean = weight > 0 ? sums[row] / weight : 0
            for column in 0...row {
                let product = Double(products[row * columns + column])
                result.products[row * columns + column] = Float(product - mean * sums[column])
            }
        }
        return result
    }

    /// The moments of T·x, T linear.
    /// - Parameter map: makes T·v of a vector v, in place.
    public func mapped(_ map: (UnsafeMutableBufferPointer<Float>) -> Void) -> SecondMoments {
        let result = SecondMoments(columns: columns)
        (result.count, result.weight) = (count, weight)
        let matrix = result.products
        for row in 0..<columns {
            for column in 0..<columns { matrix[row * columns + column] = self[row, column] }
        }
        // T·H, then T·(T·H)ᵀ, which is T·H·Tᵀ.
        for _ in 0..<2 {
            for row in 0..<columns {
                map(UnsafeMutableBufferPointer(rebasing: matrix[row * columns..<(row + 1) * columns]))
            }
            for row in 0..<columns {
                for column in 0..<row {
                    matrix.swapAt(row * columns + column, column * columns + row)
                }
            }
        }
        var means = sums.map(Float.init)
        means.withUnsafeMutableBufferPointer { map($0) }
        result.sums = means.map(Double.init)
        return result
    }

    /// Fills a [K, K] matrix with E[x xᵀ], both triangles.
    /// - Parameter correlations: what elements off the diagonal are multiplied by.
    public func fill(_ matrix: UnsafeMutableBufferPointer<Float>, correlations: Float = 1) {
        let factor = Float(weight > 0 ? 1 / weight : 0)
        // Square by square, so that what is written column by column stays in the cache.
        let side = 64
        for top in stride(from: 0, to: columns, by: side) {
            for left in stride(from: 0, through: top, by: side) {
                for row in top..<min(top + side, columns) {
                    for column in left..<min(left + side, row) {
                        let value = products[row * columns + column] * factor * correlations
                        matrix[row * columns + column] = value
                        matrix[column * columns + row] = value
                    }
                }
            }
        }
        for row in 0..<columns {
            matrix[row * (columns + 1)] = products[row * (columns + 1)] * factor
        }
    }
}
