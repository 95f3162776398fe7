internal import CKernels
internal import COpenBLAS
public import Calibration
public import GroupFormats
public import Storage
public import Threads

/// Chooses group codes so that the outputs of a linear change least: minimises tr(Δ H Δᵀ), Δ = W − Ŵ, H = E[x xᵀ]
/// with its off-diagonals shrunk and its diagonal damped (`MomentFactor`).
///
/// 1. d and dm of each row come from the weighted search.
/// 2. GPTQ (arXiv 2210.17323) rounds group by group; each group's scale and minimum are searched for on the weights as they
///    are when it is reached, and rounded to 8 bits before its codes are.
/// 3. Coordinate descent, group by group: codes, then scale and minimum, move to where the loss is least.
///
/// The bytes do not depend on the threads; they may on OpenBLAS's kernels, which differ between processors.
public struct MomentSolver {
    /// What is done.
    public struct Options: Equatable, Sendable {
        /// Rounds with error feedback; without, codes are those of the weighted search.
        public var compensates = true
        /// Sweeps of coordinate descent.
        public var sweeps = 4
        /// λ over the mean of H's diagonal.
        public var damping = 0.01
        /// How much of the correlations between columns is not believed, from 0 to 1.
        public var shrinkage = 0.3

        /// The defaults.
        public init() {}

        /// What a recipe's solver asks for.
        init(_ solver: Solver, damping: Double) {
            if solver == .gptq { sweeps = 0 }
            self.damping = damping
        }
    }

    /// The loss of a matrix, relative to tr(W H Wᵀ).
    public struct Losses: Sendable {
        /// Of the weighted search, after rounding with error feedback, and at the end.
        public var search = 0.0, compensated = 0.0, final = 0.0
        var energy = 0.0

        fileprivate static func += (left: inout Losses, right: Losses) {
            left.search += right.search
            left.compensated += right.compensated
            left.final += right.final
            left.energy += right.energy
        }

        fileprivate var relative: Losses {
            guard energy > 0 else { return Losses() }
            var losses = self
            losses.search /= energy
            losses.compensated /= energy
            losses.final /= energy
            return losses
        }

        /// Adds those of other rows of the matrix, relative as these are.
        mutating func add(_ other: Losses) {
            let total = energy + other.energy
            guard total > 0 else { return }
            search = (search * energy + other.search * other.energy) / total
            compensated = (compensated * energy + other.compensated * other.energy) / total
            final = (final * energy + other.final * other.energy) / total
            energy = total
        }
    }

    private let geometry: GroupGeometry
    private let factor: MomentFactor
    private let fitter: GroupFitter
    private let options: Options
    /// 1 / U[j,j]² by place in the order: how much a column counts once later ones make up for it.
    private let importance: [Float]

    /// Rows of a panel.
    static let panelRows = 64
    /// Dampings worth trying, smallest first.
    static let dampings = [0.003, 0.01, 0.03, 0.1, 0.3]
    /// The most columns of weights that all of them are tried on, and what those with more get.
    static let widestTried = 4096
    static let wideDamping = 0.1

    /// A solver for matrices of a geometry's columns and format.
    /// - Throws: `badInput` when the moments are of other inputs or cannot be inverted.
    public init(
        _ geometry: GroupGeometry, _ moments: SecondMoments, _ options: Options = Options()
    ) throws(Failure) {
        guard moments.columns == geometry.columns else {
            throw .badInput("the moments are of \(moments.columns) columns, not \(geometry.columns)")
        }
        self.geometry = geometry
        self.options = options
        factor = try MomentFactor(
            moments, groupSize: geometry.format.groupSize, damping: options.damping,
            shrinkage: options.shrinkage)
        fitter = try GroupFitter(geometry, .search, importance: factor.diagonal)
        let k = geometry.columns
        importance = (0..<k).map { [factor] in
            let pivot = factor.upper[$0 * k + $0]
            return 1 / (pivot * pivot)
        }
        openblas_set_num_threads(1)
    }

    /// Solves consecutive rows and writes their tiles; as `GroupFitter.fit`.
    public func solve(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, firstRow: Int = 0,
        into tiles: UnsafeMutableRawBufferPointer, _ pool: ThreadPool
    ) throws(Failure) -> (distortion: Distortion, losses: Losses) {
        // Checks the weights, too.
        _ = try fitter.fit(rows, type, firstRow: firstRow, into: tiles, pool)
        let stride = geometry.columns * type.width
        let rowCount = rows.count / stride
        let panels = (rowCount + Self.panelRows - 1) / Self.panelRows
        let results = UnsafeMutableBufferPointer<(Distortion, Losses)>.allocate(capacity: panels)
        results.initialize(repeating: (Distortion(), Losses()))
        defer { results.deallocate() }
        nonisolated(unsafe) let target = tiles
        let perPanel = Self.panelRows / GroupGeometry.tileRows * geometry.tileBytes
        pool.run(panels, grain: 1) { range in
            for panel in range {
                let first = panel * Self.panelRows
                let last = min(rowCount, first + Self.panelRows)
                let source = UnsafeRawBufferPointer(rebasing: rows[first * stride..<last * stride])
                let end = min(target.count, (panel + 1) * perPanel)
                let bytes = UnsafeMutableRawBufferPointer(rebasing: target[panel * perPanel..<end])
                let work = SolverPanel(geometry, factor, importance)
                results[panel] = work.solve(source, type, into: bytes, options)
            }
        }
        var (distortion, losses) = (Distortion(), Losses())
        for result in results {
            distortion += result.0
            losses += result.1
        }
        return (distortion, losses.relative)
    }
}
