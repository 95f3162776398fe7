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
/// 2. Rounding group by group hands errors on, as GPTQ (arXiv 2210.17323) does; each group's scale and minimum are searched
///    for on its weights as they would be best when it is reached, and rounded to 8 bits before its codes are.
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
        /// λ over the mean of H's diagonal; nil for what suits the number of rows.
        public var damping: Double?
        /// How much of the correlations between columns is not believed, from 0 to 1.
        public var shrinkage = 0.3

        /// The defaults.
        public init() {}

        /// What a recipe's solver asks for.
        init(_ solver: Solver) { if solver == .gptq { sweeps = 0 } }
    }

    /// The loss of a matrix, relative to tr(W H Wᵀ): of one panel of rows in eight, for to know it takes half the time of solving.
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

    /// Rows of a panel at most.
    private static let panelRows = 128
    /// Of so many panels the losses of one are found.
    private static let measuredStep = 8
    /// Columns of weights that take minutes to solve for: quick trials leave those with more alone.
    static let widestTried = 4096

    /// A solver for matrices of a geometry's columns and format.
    /// - Throws: `badInput` when the moments are of other inputs or cannot be inverted.
    public init(
        _ geometry: GroupGeometry, _ moments: SecondMoments, _ pool: ThreadPool,
        _ options: Options = Options()
    ) throws(Failure) {
        guard moments.columns == geometry.columns else {
            throw .badInput("the moments are of \(moments.columns) columns, not \(geometry.columns)")
        }
        self.geometry = geometry
        self.options = options
        factor = try MomentFactor(
            moments, groupSize: geometry.format.groupSize,
            damping: options.damping ?? Self.damping(columns: moments.columns, rows: moments.count),
            shrinkage: options.shrinkage, pool)
        fitter = try GroupFitter(geometry, .search, importance: factor.diagonal)
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
        let height = Self.height(rowCount)
        let panels = (rowCount + height - 1) / height
        let results = UnsafeMutableBufferPointer<(Distortion, Losses)>.allocate(capacity: panels)
        results.initialize(repeating: (Distortion(), Losses()))
        defer { results.deallocate() }
        nonisolated(unsafe) let target = tiles
        let perPanel = height / GroupGeometry.tileRows * geometry.tileBytes
        pool.run(panels, grain: 1) { range in
            for panel in range {
                let source = UnsafeRawBufferPointer(
                    rebasing: rows[panel * height * stride..<min(rowCount, (panel + 1) * height) * stride])
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: target[panel * perPanel..<min(target.count, (panel + 1) * perPanel)])
                let work = SolverPanel(
                    geometry, factor, rows: bytes.count / geometry.tileBytes * GroupGeometry.tileRows)
                results[panel] = work.solve(
                    source, type, into: bytes, options, measures: panel % Self.measuredStep == 0)
            }
        }
        var (distortion, losses) = (Distortion(), Losses())
        for result in results {
            distortion += result.0
            losses += result.1
        }
        return (distortion, losses.relative)
    }

    /// The fewer rows moments are of, the more of them is chance. Of errors on held-out text, from 1 to 64 thousand tokens, these
    /// are the least or within a fiftieth of it (`docs/quality.md`).
    static func damping(columns: Int, rows: Int) -> Double {
        min(0.3, max(0.01, 0.1 * Double(columns) / Double(max(1, rows))))
    }

    /// Rows of each panel: as many panels as there have to be, of whole tiles, alike.
    private static func height(_ rowCount: Int) -> Int {
        let panels = max(1, (rowCount + panelRows - 1) / panelRows)
        let tile = GroupGeometry.tileRows
        return max(1, ((rowCount + panels - 1) / panels + tile - 1) / tile) * tile
    }
}
