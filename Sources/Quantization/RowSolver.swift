internal import Calibration
internal import GroupFormats
internal import Storage
internal import Threads

/// Chooses the codes of rows that read the same inputs, whichever weights they are of: moments are factored once for all
/// of a format.
final class RowSolver {
    private let moments: SecondMoments?
    private var prepared: [(format: GroupFormat, options: MomentSolver.Options, solver: MomentSolver)] = []

    /// A solver for rows that read inputs of these moments; nil where nothing is known of them. Then a calibrated solver does
    /// what the uncalibrated search does, and gives no losses.
    init(_ moments: SecondMoments?) { self.moments = moments }

    /// Solves consecutive rows of a matrix and writes their tiles; as `GroupFitter.fit`.
    func solve(
        _ rows: UnsafeRawBufferPointer, _ type: ElementType, firstRow: Int,
        into tiles: UnsafeMutableRawBufferPointer, _ geometry: GroupGeometry, _ solver: Solver,
        _ pool: ThreadPool
    ) throws(Failure) -> (distortion: Distortion, losses: MomentSolver.Losses?) {
        guard solver.isCalibrated, let moments else {
            let fitter = try GroupFitter(
                geometry, solver,
                importance: try moments.map { (all) throws(Failure) in try all.meanSquares() })
            return (try fitter.fit(rows, type, firstRow: firstRow, into: tiles, pool), nil)
        }
        let solver = try momentSolver(geometry, moments, MomentSolver.Options(solver), pool)
        let result = try solver.solve(rows, type, firstRow: firstRow, into: tiles, pool)
        return (result.distortion, result.losses)
    }

    private func momentSolver(
        _ geometry: GroupGeometry, _ moments: SecondMoments, _ options: MomentSolver.Options,
        _ pool: ThreadPool
    ) throws(Failure) -> MomentSolver {
        let known = prepared.first { $0.format == geometry.format && $0.options == options }
        if let known { return known.solver }
        let solver = try MomentSolver(geometry, moments, pool, options)
        prepared.append((geometry.format, options, solver))
        return solver
    }
}
