import Calibration
import GroupFormats
import Quantization
import Storage
import Testing
import Threads

/// Codes chosen by second moments, against what those chosen without them lose.
@Suite struct MomentSolverTests {
    private struct Problem {
        let geometry: GroupGeometry
        let weights: [Float]
        let inputs: [Float]
        let moments: SecondMoments

        /// Inputs that are mixtures of a few directions, so that columns can make up for each other.
        init(_ rows: Int, _ columns: Int, _ format: GroupFormat, seed: UInt64, dead: Set<Int> = []) throws {
            var numbers = Numbers(seed)
            let count = 2 * columns
            let mixing = numbers.weights(columns * columns).map { $0 / 3 }
            let sources = numbers.weights(count * columns)
            var inputs = [Float](repeating: 0, count: count * columns)
            for row in 0..<count {
                for column in 0..<columns where !dead.contains(column) {
                    var sum = sources[row * columns + column]
                    for other in 0..<min(columns, 8) {
                        sum += 4 * mixing[column * columns + other] * sources[row * columns + other]
                    }
                    inputs[row * columns + column] = sum
                }
            }
            self.inputs = inputs
            weights = numbers.weights(rows * columns)
            let moments = SecondMoments(columns: columns)
            let pool = try ThreadPool(threads: 2)
            inputs.withUnsafeBufferPointer { moments.add($0, pool) }
            self.moments = moments
            geometry = try makeGeometry(format, rows, columns)
        }

        /// - Parameter seen: solves by so many of the inputs only.
        func solve(_ options: MomentSolver.Options, threads: Int = 2, seen: Int? = nil) throws -> (
            tiles: [UInt8], losses: MomentSolver.Losses, distortion: Distortion
        ) {
            var moments = moments
            if let seen {
                moments = SecondMoments(columns: geometry.columns)
                let pool = try ThreadPool(threads: threads)
                Array(inputs[..<(seen * geometry.columns)]).withUnsafeBufferPointer { moments.add($0, pool) }
            }
            let pool = try ThreadPool(threads: threads)
            let solver = try MomentSolver(geometry, moments, pool, options)
            var tiles = [UInt8](repeating: 1, count: geometry.byteCount)
            let result = try weights.withUnsafeBytes { weights in
                try tiles.withUnsafeMutableBytes { try solver.solve(weights, .float32, into: $0, pool) }
            }
            return (tiles, result.losses, result.distortion)
        }

        /// Σ over inputs x and rows of ((W − Ŵ)x)² / Σ (Wx)², from the tiles.
        func outputError(_ tiles: [UInt8], unseen first: Int = 0) -> Double {
            let (rows, columns) = (geometry.rows, geometry.columns)
            var decoded = [Float](repeating: 0, count: rows * columns)
            decoded.withUnsafeMutableBufferPointer { decoded in
                tiles.withUnsafeBytes { tiles in
                    for row in 0..<rows {
                        geometry.read(
                            row: row, of: tiles,
                            into: UnsafeMutableBufferPointer(
                                rebasing: decoded[row * columns..<(row + 1) * columns]))
                    }
                }
            }
            var (error, energy) = (0.0, 0.0)
            for sample in first..<inputs.count / columns {
                for row in 0..<rows {
                    var (e, y) = (0.0, 0.0)
                    for column in 0..<columns {
                        let x = Double(inputs[sample * columns + column])
                        let w = Double(weights[row * columns + column])
                        e += (w - Double(decoded[row * columns + column])) * x
                        y += w * x
                    }
                    error += e * e
                    energy += y * y
                }
            }
            return error / energy
        }
    }

    private static let shapes: [(rows: Int, columns: Int, bits: GroupFormat.Bits, group: Int)] = [
        (16, 64, .four, 32), (35, 96, .four, 16), (70, 200, .four, 64), (130, 129, .four, 32),
        (33, 160, .eight, 64), (5, 40, .four, 128), (35, 130, .five, 64), (17, 96, .six, 32),
    ]

    @Test(arguments: shapes)
    func everyStepLosesLess(rows: Int, columns: Int, bits: GroupFormat.Bits, group: Int) throws {
        let problem = try Problem(rows, columns, try format(bits, group), seed: 7)
        var options = MomentSolver.Options()
        (options.shrinkage, options.damping) = (0, 0.01)
        let (tiles, losses, distortion) = try problem.solve(options)
        #expect(losses.compensated < losses.search)
        #expect(losses.final < losses.compensated)
        #expect(distortion.squaredError > 0 && distortion.normalised < 0.1)
        // The solver's loss is that of damped moments: damping adds a hundredth of the mean at most.
        let measured = problem.outputError(tiles)
        #expect(abs(measured / losses.final - 1) < 0.25, "\(measured) \(losses.final)")
        var plain = options
        (plain.compensates, plain.sweeps) = (false, 0)
        let search = try problem.solve(plain)
        #expect(search.losses.final == search.losses.search)
        #expect(measured < problem.outputError(search.tiles))
    }

    /// Of few inputs correlations are learned that others do not have.
    @Test(arguments: [1, 2, 3])
    func doubtingCorrelationsServesUnseenInputs(seed: UInt64) throws {
        let problem = try Problem(64, 96, try format(.four, 32), seed: seed)
        let errors = try [0, 0.3].map { shrinkage in
            var options = MomentSolver.Options()
            options.shrinkage = shrinkage
            return problem.outputError(try problem.solve(options, seen: 64).tiles, unseen: 64)
        }
        #expect(errors[1] < 0.95 * errors[0], "\(errors)")
    }

    /// What few rows say of pairs of columns is chance for the most part.
    @Test(arguments: [(20, 0.3), (48, 0.2), (192, 0.05)])
    func fewerRowsAreDampedMore(rows: Int, damping: Double) throws {
        let problem = try Problem(32, 96, try format(.four, 32), seed: 4)
        var options = MomentSolver.Options()
        let tiles = try problem.solve(options, seen: rows).tiles
        options.damping = damping
        #expect(try tiles == problem.solve(options, seen: rows).tiles)
        options.damping = 0.01
        #expect(try tiles != problem.solve(options, seen: rows).tiles)
    }

    /// More columns than are factored, or rounded, together; the last ones no whole group.
    @Test func threadsDoNotChangeTheBytes() throws {
        let problem = try Problem(200, 540, try format(.four, 32), seed: 3)
        let (one, two) = (try problem.solve(.init(), threads: 1), try problem.solve(.init(), threads: 2))
        #expect(one.tiles == two.tiles)
        #expect(one.losses.final == two.losses.final)
    }

    /// Columns that no input uses, and fewer inputs than columns, leave a matrix that only damping makes invertible.
    @Test func deadColumnsAreRoundedAsTheyAre() throws {
        let problem = try Problem(16, 96, try format(.four, 32), seed: 5, dead: Set(40..<70))
        let (tiles, losses, distortion) = try problem.solve(.init())
        #expect(losses.final < losses.search)
        #expect(distortion.normalised < 0.1)
        #expect(problem.outputError(tiles) < 0.01)
    }

    /// With all moments alike and independent there is nothing to make up for: what is lost is the plain error.
    @Test func independentInputsGiveThePlainError() throws {
        let columns = 64
        let moments = SecondMoments(columns: columns)
        var triangle = [Float](repeating: 0, count: columns * (columns + 1) / 2)
        for column in 0..<columns { triangle[(column + 1) * (column + 2) / 2 - 1] = 1 }
        triangle.withUnsafeBufferPointer {
            moments.add(triangle: $0, mean: Array(repeating: 0, count: columns), count: 1)
        }
        let geometry = try makeGeometry(try format(.four, 32), 16, columns)
        var numbers = Numbers(11)
        let weights = numbers.weights(16 * columns)
        var tiles = [UInt8](repeating: 0, count: geometry.byteCount)
        let pool = try ThreadPool(threads: 1)
        let result = try weights.withUnsafeBytes { weights in
            try tiles.withUnsafeMutableBytes {
                try MomentSolver(geometry, moments, pool).solve(weights, .float32, into: $0, pool)
            }
        }
        #expect(abs(result.losses.final / result.distortion.normalised - 1) < 1e-4)
    }

    @Test func momentsOfOtherInputsAreRefused() throws {
        let geometry = try makeGeometry(try format(.four, 32), 16, 64)
        let pool = try ThreadPool(threads: 1)
        #expect(throws: Failure.self) { try MomentSolver(geometry, SecondMoments(columns: 65), pool) }
        // Nothing was ever seen.
        #expect(throws: Failure.self) { try MomentSolver(geometry, SecondMoments(columns: 64), pool) }
    }

    @Test func weightsThatAreNoNumbersAreNamed() throws {
        let problem = try Problem(16, 64, try format(.four, 32), seed: 1)
        var weights = problem.weights
        weights[3 * 64 + 5] = .nan
        var tiles = [UInt8](repeating: 0, count: problem.geometry.byteCount)
        let pool = try ThreadPool(threads: 1)
        let failure = #expect(throws: Failure.self) {
            try weights.withUnsafeBytes { weights in
                try tiles.withUnsafeMutableBytes {
                    try MomentSolver(problem.geometry, problem.moments, pool).solve(
                        weights, .float32, into: $0, pool)
                }
            }
        }
        #expect(failure?.place?.contains("[3, 5]") == true)
    }

    /// Sums of products, against plain loops.
    @Test(arguments: [1, 3, 129, 300])
    func momentsAreSumsOfProducts(columns: Int) throws {
        var numbers = Numbers(9)
        let rows = numbers.weights(columns * 37)
        let (one, two) = (SecondMoments(columns: columns), SecondMoments(columns: columns))
        rows.withUnsafeBufferPointer { values in
            guard let pools = try? (ThreadPool(threads: 1), ThreadPool(threads: 2)) else { return }
            one.add(values, pools.0)
            two.add(values, pools.1)
        }
        #expect(one.count == 37 && one.diagonal == two.diagonal)
        for i in 0..<columns {
            for j in 0...i {
                let sum = (0..<37).reduce(0.0) {
                    $0 + Double(rows[$1 * columns + i]) * Double(rows[$1 * columns + j])
                }
                #expect(abs(Double(one[i, j]) - sum) < 1e-4 && one[i, j] == two[i, j])
            }
        }
    }
}

func makeGeometry(_ format: GroupFormat, _ rows: Int, _ columns: Int) throws -> GroupGeometry {
    try #require(Shape.matrix(rows, columns).flatMap { GroupGeometry(format, $0) })
}
