internal import COpenBLAS
internal import Calibration
internal import GroupFormats
internal import Storage

/// Second moments made ready for solving: H itself, and the upper triangular U with UᵀU = H⁻¹, its columns in the order in which
/// they are rounded.
///
/// H = (1 − γ)·E + γ·diag(E) + λI, E the moments. γ, `shrinkage`, is what of the correlations of columns is not believed: those of another
/// text differ more than its mean squares do (after Ledoit and Wolf, 2004). λ is `damping` times the mean of E's diagonal. Columns
/// that no input ever used weigh as the damping alone does.
final class MomentFactor {
    /// K.
    let columns: Int
    /// λ over the mean of the diagonal; more than was asked for where H was too close to singular.
    let damping: Double
    let order: ColumnOrder
    /// H, damped, [K, K]: in the order of the columns.
    let moments: UnsafeMutableBufferPointer<Float>
    /// U, [K, K]: in the order of rounding.
    let upper: UnsafeMutableBufferPointer<Float>
    /// The diagonal of H, damped.
    let diagonal: [Float]

    /// Factors moments for groups of `groupSize`.
    /// - Throws: `badInput` when they are those of no inputs, or not finite.
    init(
        _ source: SecondMoments, groupSize: Int, damping: Double, shrinkage: Double
    ) throws(Failure) {
        let k = source.columns
        columns = k
        moments = .allocate(capacity: k * k)
        upper = .allocate(capacity: k * k)
        source.fill(moments)
        for row in 0..<k {
            for column in 0..<k where column != row { moments[row * k + column] *= Float(1 - shrinkage) }
        }
        let mean = (0..<k).reduce(0.0) { [moments] in $0 + Double(moments[$1 * k + $1]) } / Double(k)
        order = ColumnOrder((0..<k).map { source[$0, $0] }, groupSize: groupSize)
        let work = UnsafeMutableBufferPointer<Double>.allocate(capacity: k * k)
        defer { work.deallocate() }
        var used = damping
        while true {
            guard mean > 0, mean.isFinite, used < 100 else {
                moments.deallocate()
                upper.deallocate()
                throw .badInput("the second moments of the inputs cannot be inverted")
            }
            if Self.invert(moments, order, shift: used * mean, work) { break }
            used *= 10
        }
        self.damping = used
        for column in 0..<k { moments[column * k + column] += Float(used * mean) }
        diagonal = (0..<k).map { [moments] in moments[$0 * k + $0] }
        // `work` holds, column by column, the lower triangular inverse of the factor of the reversed matrix.
        for row in 0..<k {
            for column in 0..<k {
                upper[row * k + column] =
                    column < row ? 0 : Float(work[(k - 1 - column) * k + (k - 1 - row)])
            }
        }
    }

    deinit {
        moments.deallocate()
        upper.deallocate()
    }

    /// Fills `work` with L⁻¹, where LLᵀ = J(H + shift·I)J and J reverses the order of rounding: JL⁻¹J is U.
    private static func invert(
        _ moments: UnsafeMutableBufferPointer<Float>, _ order: ColumnOrder, shift: Double,
        _ work: UnsafeMutableBufferPointer<Double>
    ) -> Bool {
        let k = order.columns.count
        for row in 0..<k {
            let source = order.columns[k - 1 - row] * k
            for column in 0..<k {
                work[row * k + column] = Double(moments[source + order.columns[k - 1 - column]])
            }
            work[row * k + row] += shift
        }
        var size = blasint(k)
        var info: blasint = 0
        dpotrf_("L", &size, work.baseAddress, &size, &info)
        guard info == 0 else { return false }
        dtrtri_("L", "N", &size, work.baseAddress, &size, &info)
        // A NaN makes neither of them complain.
        return info == 0 && (0..<k).allSatisfy { work[$0 * k + $0].isFinite }
    }
}
