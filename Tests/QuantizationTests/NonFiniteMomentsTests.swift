import GroupFormats
import Storage
import Testing
import Threads

@testable import Calibration
@testable import Quantization

/// Moments that are not finite are an error wherever they would be used, never left out.
@Suite struct NonFiniteMomentsTests {
    private static let columns = 64

    /// Of rows whose elements are all `value` but for one.
    private static func moments(_ value: Float) throws -> SecondMoments {
        let moments = SecondMoments(columns: columns)
        var rows = [Float](repeating: 0.5, count: 4 * columns)
        rows[columns + 3] = value
        let pool = try ThreadPool(threads: 1)
        rows.withUnsafeBufferPointer { moments.add($0, pool) }
        return moments
    }

    /// NaN, infinity, and a number whose square is none of float32.
    private static let values: [Float] = [.nan, .infinity, 1e30]

    @Test(arguments: values) func noPartIsDropped(value: Float) throws {
        let (bad, sound) = (try Self.moments(value), try Self.moments(2))
        for parts in [[bad], [bad, sound], [sound, bad], [bad, bad]] {
            let failure = #expect(throws: Failure.self) { try SecondMoments.balanced(parts) }
            #expect(failure?.kind == .badInput && failure?.message.contains("not finite") == true)
        }
        #expect(try SecondMoments.balanced([sound, SecondMoments(columns: Self.columns)]) === sound)
        #expect(try SecondMoments.balanced([SecondMoments(columns: Self.columns)]) == nil)
        #expect(throws: Failure.self) { try bad.shrunk(towards: sound, rows: 16) }
        #expect(throws: Failure.self) { try sound.shrunk(towards: bad, rows: 16) }
        #expect(throws: Failure.self) { try bad.meanSquares() }
        #expect(throws: Failure.self) { try MomentSolver(Self.geometry(), bad, ThreadPool(threads: 1)) }
    }

    @Test(arguments: values, Modality.allCases)
    func noModalityIsDropped(value: Float, modality: Modality) throws {
        let pool = try ThreadPool(threads: 1)
        let moments = ModalMoments(columns: 2)
        for other in Modality.allCases {
            for rows: [Float] in [[1, 2], [other == modality ? value : 1, 3]] {
                rows.withUnsafeBufferPointer { moments.add($0, other, pool) }
            }
        }
        #expect(throws: Failure.self) { try moments.shares() }
        do {
            _ = try moments.balanced()
            Issue.record("a modality was dropped")
        } catch { #expect(error.kind == .badInput) }
    }

    @Test(arguments: values) func figuresOfAStageAreNumbers(value: Float) throws {
        let statistics = StageStatistics(columns: 2, rows: 1)
        let rows: [Float] = [1, value]
        let pool = try ThreadPool(threads: 1)
        rows.withUnsafeBufferPointer { statistics.add($0, pool) }
        #expect(throws: Failure.self) { try statistics.summary() }
    }

    @Test func figuresThatCannotBeAreNone() {
        let sound: [Double] = [4, -1, 2, 3, 0.5]
        #expect(StageSummary(sound) != nil)
        for (index, value) in [
            (0, -1), (0, 1.5), (1, 3), (2, -2), (3, -0.5), (4, -0.5), (0, .nan), (1, -.infinity),
        ] as [(Int, Double)] {
            var values = sound
            values[index] = value
            #expect(StageSummary(values) == nil, "\(values)")
        }
    }

    private static func geometry() throws -> GroupGeometry {
        try makeGeometry(try format(.four, 32), 16, columns)
    }

    private static func solve(
        _ moments: SecondMoments?, _ solver: Solver
    ) throws -> MomentSolver.Losses? {
        let geometry = try geometry()
        let weights = (0..<16 * columns).map { Float($0 % 7 - 3) }
        var tiles = [UInt8](repeating: 0, count: geometry.byteCount)
        let pool = try ThreadPool(threads: 1)
        let rows = RowSolver(moments)
        return try weights.withUnsafeBytes { weights in
            try tiles.withUnsafeMutableBytes {
                try rows.solve(weights, .float32, firstRow: 0, into: $0, geometry, solver, pool).losses
            }
        }
    }

    /// No solver turns to doing without, once something is known; where nothing is, it gives no losses.
    @Test(arguments: values, [Solver.search, .gptq, .refit])
    func rowsAreNotSolvedAsIfNothingWereKnown(value: Float, solver: Solver) throws {
        #expect(throws: Failure.self) { try Self.solve(Self.moments(value), solver) }
        #expect((try Self.solve(Self.moments(2), solver) != nil) == solver.isCalibrated)
        #expect(try Self.solve(nil, solver) == nil)
    }
}
