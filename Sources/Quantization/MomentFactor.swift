internal import COpenBLAS
internal import Calibration
internal import GroupFormats
internal import Storage
internal import Threads

/// Second moments made ready for solving: H itself, and how columns that are rounded later make up for the error of one that is
/// rounded before them.
///
/// H = (1 − γ)·E + γ·diag(E) + λI, E the moments. γ, `shrinkage`, is what of the correlations of columns is not believed: those of another
/// text differ more than its mean squares do (after Ledoit and Wolf, 2004). λ is `damping` times the mean of E's diagonal. Columns
/// that no input ever used weigh as the damping alone does.
///
/// With H = R Rᵀ, R upper triangular in the order of rounding, errors δ cost δ H δᵀ = Σⱼ (Σ_{k≤j} δ[k]·R[k,j])². Those of the columns
/// before j being what they are, the term of j is least where w[j] is rounded with Σ_{k<j} δ[k]·R[k,j]/R[j,j] added to it. This is what
/// GPTQ does, without the inverse of H (Chee and others, QuIP, arXiv 2307.13304).
final class MomentFactor {
    /// K.
    let columns: Int
    /// λ over the mean of the diagonal; more than was asked for where H was too close to singular.
    let damping: Double
    let order: ColumnOrder
    /// H, damped, [K, K]: in the order of the columns.
    let moments: UnsafeMutableBufferPointer<Float>
    /// R[k,j] / R[j,j] above the diagonal of [K, K], in the order of rounding; what lies below means nothing.
    let feedback: UnsafeMutableBufferPointer<Float>
    /// R[j,j]², by place in the order of rounding: how much a column counts once later ones make up for it.
    let importance: [Float]
    /// The diagonal of H, damped.
    let diagonal: [Float]

    /// Columns that are factored together: fixed, so that nothing depends on the number of threads.
    private static let panel = 256

    /// Factors moments for groups of `groupSize`.
    /// - Throws: `badInput` when they are those of no inputs, or not finite.
    init(
        _ source: SecondMoments, groupSize: Int, damping: Double, shrinkage: Double, _ pool: ThreadPool
    ) throws(Failure) {
        let k = source.columns
        columns = k
        order = ColumnOrder(source.diagonal, groupSize: groupSize)
        moments = .allocate(capacity: k * k)
        feedback = .allocate(capacity: k * k)
        source.fill(moments, correlations: Float(1 - shrinkage))
        let mean = (0..<k).reduce(0.0) { [moments] in $0 + Double(moments[$1 * k + $1]) } / Double(k)
        var used = damping
        while true {
            guard mean > 0, mean.isFinite, used < 100 else {
                moments.deallocate()
                feedback.deallocate()
                throw .badInput("the second moments of the inputs cannot be inverted")
            }
            Self.reverse(moments, order, shift: Float(used * mean), into: feedback, pool)
            if Self.factor(feedback, k, pool) { break }
            used *= 10
        }
        self.damping = used
        for column in 0..<k { moments[column * k + column] += Float(used * mean) }
        diagonal = (0..<k).map { [moments] in moments[$0 * k + $0] }
        let pivots = (0..<k).map { [feedback] in feedback[(k - 1 - $0) * (k + 1)] }
        importance = pivots.map { $0 * $0 }
        Self.turn(feedback, pivots.map { 1 / $0 }, pool)
    }

    deinit {
        moments.deallocate()
        feedback.deallocate()
    }

    /// Fills the lower triangle of `matrix` with H + shift·I, the columns in the reverse of the order of rounding: R is what the usual
    /// factor of that is, read backwards.
    private static func reverse(
        _ moments: UnsafeMutableBufferPointer<Float>, _ order: ColumnOrder, shift: Float,
        into matrix: UnsafeMutableBufferPointer<Float>, _ pool: ThreadPool
    ) {
        let columns = Array(order.columns.reversed())
        let k = columns.count
        nonisolated(unsafe) let (source, target) = (moments, matrix)
        pool.run(k, grain: 16) { rows in
            for row in rows {
                let first = columns[row] * k
                for column in 0...row { target[row * k + column] = source[first + columns[column]] }
                target[row * k + row] += shift
            }
        }
    }

    /// Puts L of L Lᵀ in the place of a lower triangle; false when it is not that of a positive matrix.
    private static func factor(
        _ matrix: UnsafeMutableBufferPointer<Float>, _ k: Int, _ pool: ThreadPool
    ) -> Bool {
        guard let base = matrix.baseAddress else { return k == 0 }
        for start in stride(from: 0, to: k, by: panel) {
            let width = min(panel, k - start)
            let corner = base + start * (k + 1)
            var (size, pitch, info) = (blasint(width), blasint(k), blasint(0))
            // What LAPACK, going column by column, calls the upper triangle is the lower one row by row.
            spotrf_("U", &size, corner, &pitch, &info)
            // A NaN does not make it complain.
            guard info == 0, (0..<width).allSatisfy({ corner[$0 * (k + 1)].isFinite }) else { return false }
            update(base, k, start..<start + width, pool)
        }
        return true
    }

    /// Finishes the rows below some columns that are factored, and takes what they explain off the triangle that is left.
    private static func update(
        _ base: UnsafeMutablePointer<Float>, _ k: Int, _ done: Range<Int>, _ pool: ThreadPool
    ) {
        nonisolated(unsafe) let base = base
        let (rest, width) = (done.upperBound, Int32(done.count))
        let chunks = (k - rest + panel - 1) / panel
        func rows(_ chunk: Int) -> Range<Int> {
            rest + chunk * panel..<min(k, rest + (chunk + 1) * panel)
        }
        pool.run(chunks, grain: 1) { part in
            for rows in part.map(rows) {
                cblas_strsm(
                    CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, Int32(rows.count), width,
                    1, base + done.lowerBound * (k + 1), Int32(k),
                    base + rows.lowerBound * k + done.lowerBound,
                    Int32(k))
            }
        }
        pool.run(chunks, grain: 1) { part in
            // The longest rows first: threads end together.
            for rows in part.map({ rows(chunks - 1 - $0) }) {
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows.count), Int32(rows.upperBound - rest),
                    width, -1, base + rows.lowerBound * k + done.lowerBound, Int32(k),
                    base + rest * k + done.lowerBound, Int32(k), 1, base + rows.lowerBound * k + rest,
                    Int32(k))
            }
        }
    }

    /// Reads a matrix backwards, which makes its lower triangle an upper one, and multiplies its columns.
    private static func turn(
        _ matrix: UnsafeMutableBufferPointer<Float>, _ factors: [Float], _ pool: ThreadPool
    ) {
        let k = factors.count
        nonisolated(unsafe) let matrix = matrix
        pool.run((k + 1) / 2, grain: 16) { rows in
            for row in rows {
                let (first, second) = (row * k, (k - 1 - row) * k)
                for column in 0..<(first == second ? (k + 1) / 2 : k) {
                    let other = k - 1 - column
                    let value = matrix[first + column]
                    matrix[first + column] = matrix[second + other] * factors[column]
                    if first + column != second + other { matrix[second + other] = value * factors[other] }
                }
            }
        }
    }
}
