import GroupFormats
import Quantization
import Storage
import Testing
import Threads

@Suite struct GroupFitterTests {
    /// |w − ŵ| ≤ half a step, plus what rounding the scale and the minimum to 8 bits can cut off the range.
    @Test(arguments: GroupFormat.all, [(1, 4), (15, 31), (17, 33), (3, 3420)])
    func roundingStaysWithinItsBound(format: GroupFormat, extents: (Int, Int)) throws {
        let (rows, columns) = extents
        var numbers = Numbers(UInt64(columns))
        let weights = numbers.weights(rows * columns)
        let fitted = try Fitted(weights, columns: columns, format, .nearest)
        let (values, top) = (fitted.values, Float(1 << format.bits.rawValue - 1))
        for row in 0..<rows {
            let (tile, r) = (fitted.tile(of: row), row % 16)
            for k in 0..<columns {
                // Factors are negative in rows that are turned round.
                let (d, dm) = (abs(tile.d[r]), abs(tile.dm[r]))
                let scale = d * Float(tile.scales[k / format.groupSize * 16 + r])
                let bound = scale / 2 + top * d / 2 + dm / 2
                let error = abs(values[row * columns + k] - weights[row * columns + k])
                #expect(error <= bound * 1.0001, "row \(row), column \(k)")
            }
        }
    }

    @Test(arguments: GroupFormat.all, Solver.allCases)
    func reportsTheErrorItMakes(format: GroupFormat, solver: Solver) throws {
        var numbers = Numbers(5)
        let weights = numbers.weights(17 * 300)
        let fitted = try Fitted(weights, columns: 300, format, solver)
        var measured = Distortion()
        let values = fitted.values
        for row in 0..<17 {
            let range = row * 300..<(row + 1) * 300
            measured += Distortion(Array(weights[range]), Array(values[range]), groupSize: format.groupSize)
        }
        #expect(abs(fitted.distortion.squaredError / measured.squaredError - 1) < 1e-3)
        #expect(abs(fitted.distortion.energy / measured.energy - 1) < 1e-5)
        #expect(abs(fitted.distortion.worstGroup / measured.worstGroup - 1) < 1e-3)
    }

    @Test(arguments: GroupFormat.all, [0, 1, 2, 3, 4] as [UInt64])
    func searchIsNeverWorseThanRounding(format: GroupFormat, seed: UInt64) throws {
        var numbers = Numbers(seed)
        let columns = 1 + Int(seed) * 77
        var weights = numbers.weights(16 * columns)
        // Odd company: rows with an offset, a constant row, one of few values, one with a giant.
        for k in 0..<columns {
            weights[k] += 3
            weights[columns + k] -= 0.1
            weights[2 * columns + k] = 0.7
            weights[3 * columns + k] = weights[3 * columns + k] > 0 ? 1 : -1
        }
        weights[4 * columns] = 1e6
        let rounded = try Fitted(weights, columns: columns, format, .nearest, magnitude: 0).values
        let searched = try Fitted(weights, columns: columns, format, .search, magnitude: 0).values
        for row in 0..<16 {
            let range = row * columns..<(row + 1) * columns
            let original = Array(weights[range])
            let plain = Distortion(original, Array(rounded[range]), groupSize: columns).squaredError
            let better = Distortion(original, Array(searched[range]), groupSize: columns).squaredError
            #expect(better <= plain * 1.0001 + 1e-12, "row \(row): \(better) after \(plain)")
        }
    }

    /// Normalised squared errors for normally distributed weights, with a free minimum, 8-bit scales and minimums.
    @Test(arguments: [(4, 16, 0.0030), (4, 32, 0.00482), (4, 64, 0.00660), (8, 32, 0.0000195)])
    func searchReachesWhatTheFormatCanGive(bits: Int, group: Int, limit: Double) throws {
        var numbers = Numbers(11)
        let weights = (0..<32 * 1536).map { _ in numbers.normal() }
        let bits = try #require(GroupFormat.Bits(rawValue: bits))
        let format = try format(bits, group)
        let fitted = try Fitted(weights, columns: 1536, format, .search, magnitude: 0)
        #expect(fitted.distortion.normalised < limit)
    }

    @Test func importanceMovesTheErrorElsewhere() throws {
        var numbers = Numbers(3)
        let weights = numbers.weights(16 * 64)
        let importance = (0..<64).map { Float($0 % 4 == 0 ? 100 : 1) }
        func loss(_ fitted: Fitted) -> Float {
            zip(weights, fitted.values).enumerated().reduce(0) { sum, pair in
                let error = pair.element.0 - pair.element.1
                return sum + importance[pair.offset % 64] * error * error
            }
        }
        let format = try format(.four, 32)
        let plain = try Fitted(weights, columns: 64, format, .search, magnitude: 0)
        let weighted = try Fitted(weights, columns: 64, format, .search, importance: importance, magnitude: 0)
        #expect(loss(weighted) < 0.8 * loss(plain))
        #expect(weighted.distortion.squaredError > plain.distortion.squaredError)
        // Only proportions count, and groups without any importance are fitted as if all counted alike.
        let tiny = importance.map { $0 * 1e-36 }
        #expect(try Fitted(weights, columns: 64, format, .search, importance: tiny).distortion.relative < 0.2)
        let none = [Float](repeating: 0, count: 64), all = [Float](repeating: 5, count: 64)
        #expect(
            try Fitted(weights, columns: 64, format, .search, importance: none)
                == Fitted(weights, columns: 64, format, .search, importance: all))
    }

    @Test func refusesImportanceThatIsNone() throws {
        let format = try format(.four, 32)
        let geometry = try #require(Shape.matrix(1, 3).flatMap { GroupGeometry(format, $0) })
        for importance in [[1, 2], [1, -1, 1], [1, .nan, 1], [1, .infinity, 1]] as [[Float]] {
            #expect(throws: Failure.self) { try GroupFitter(geometry, .search, importance: importance) }
        }
    }

    @Test(arguments: Solver.allCases, GroupFormat.Bits.allCases)
    func threadsDoNotChangeBytes(solver: Solver, bits: GroupFormat.Bits) throws {
        var numbers = Numbers(9)
        let weights = numbers.weights(77 * 100)
        let format = try format(bits, 32)
        let one = try Fitted(weights, columns: 100, format, solver)
        for threads in [2, 3, 8] {
            #expect(try Fitted(weights, columns: 100, format, solver, threads: threads) == one)
        }
    }

    @Test(arguments: [ElementType.float64, .float32, .float16, .bfloat16])
    func takesEveryFloatType(type: ElementType) throws {
        // Numbers that each of the types has, denormal halves among them.
        let weights: [Float] = (0..<40).map { Float($0 - 20) * 0x1p-4 } + [0x1p-24, -0x1p-15, 0, -0x1p-20]
        let format = try format(.eight, 32)
        let geometry = try #require(Shape.matrix(1, weights.count).flatMap { GroupGeometry(format, $0) })
        let source: [UInt8] = weights.flatMap { value -> [UInt8] in
            switch type {
            case .float64: withUnsafeBytes(of: Double(value), Array.init)
            case .float32: withUnsafeBytes(of: value, Array.init)
            case .float16: withUnsafeBytes(of: Float16(value), Array.init)
            default: withUnsafeBytes(of: UInt16(value.bitPattern >> 16), Array.init)
            }
        }
        var bytes = [UInt8](repeating: 0, count: geometry.byteCount)
        let pool = try ThreadPool(threads: 1)
        let fitter = try GroupFitter(geometry, .search)
        _ = try bytes.withUnsafeMutableBytes { tiles in
            try source.withUnsafeBytes { try fitter.fit($0, type, into: tiles, pool) }
        }
        #expect(try bytes == Fitted(weights, columns: weights.count, format, .search).bytes)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity, 1e38])
    func namesTheWeightItCannotStore(value: Float) throws {
        var weights = [Float](repeating: 1, count: 35 * 40)
        weights[20 * 40 + 7] = value
        weights[34 * 40] = .nan
        let error = #expect(throws: Failure.self) {
            try Fitted(weights, columns: 40, try format(.four, 32), .search, threads: 2)
        }
        #expect(error?.kind == .badInput)
        #expect(error?.place == "[20, 7]")
    }
}
