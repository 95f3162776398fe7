import CKernels
import GroupFormats
import Quantization
import Storage
import Testing

/// Groups that no trained model should have, and that some do.
@Suite struct OddGroupsTests {
    static let rows: [(name: String, weights: [Float])] = [
        ("zero", Array(repeating: 0, count: 64)),
        ("negative zero", Array(repeating: -0.0, count: 64)),
        ("constant", Array(repeating: 0.3, count: 64)),
        ("negative constant", Array(repeating: -7, count: 64)),
        ("positive", (0..<64).map { 5 + Float($0 % 9) }),
        ("negative", (0..<64).map { -5 - Float($0 % 9) }),
        ("far from zero", (0..<64).map { 1000 + Float($0 % 5) }),
        ("huge", (0..<64).map { Float($0 - 32) * 2e36 }),
        ("tiny", (0..<64).map { Float($0 - 32) * 1e-36 }),
        ("denormal", (0..<64).map { Float($0 - 32) * 0x1p-133 }),
        ("one outlier", (0..<64).map { $0 == 40 ? 50 : Float($0 % 7) * 0.01 }),
        ("huge beside tiny", (0..<64).map { $0 < 32 ? Float($0) * 1e30 : Float($0) * 1e-30 }),
    ]

    @Test(arguments: OddGroupsTests.rows.indices, Solver.allCases)
    func storesThemWithinARange(row: Int, solver: Solver) throws {
        let weights = Self.rows[row].weights
        let peak = weights.reduce(0) { max($0, abs($1)) }
        for (bits, tolerance) in [(GroupFormat.Bits.four, Float(0.04)), (.eight, 0.004)] {
            let fitted = try Fitted(weights, columns: 64, try format(bits, 32), solver)
            for (stored, original) in zip(fitted.values, weights) {
                // Denormals have few digits left for the factors.
                let allowance = peak < 0x1p-126 ? peak / 8 : peak * tolerance
                #expect(
                    abs(stored - original) <= allowance, "\(Self.rows[row].name): \(stored) for \(original)")
            }
        }
    }

    @Test func constantsAreExact() throws {
        for value in [0, 3, -3, 0.1, -0.1] as [Float] {
            let weights = [Float](repeating: value, count: 96)
            for solver in Solver.allCases {
                let values = try Fitted(weights, columns: 96, try format(.four, 32), solver).values
                #expect(values.allSatisfy { abs($0 - value) <= abs(value) * 1e-6 })
            }
        }
    }

    @Test(arguments: Solver.allCases, GroupFormat.Bits.allCases)
    func valuesOnAGridAreExact(solver: Solver, bits: GroupFormat.Bits) throws {
        let top = 1 << bits.rawValue - 1
        // Both groups use all of the codes' range; the first has the greatest scale and minimum, 255 each.
        let weights: [Float] = (0..<256).map { k in
            let code = k % 128 == 1 ? top : k % 128 == 0 ? 0 : (k * 37) % (top + 1)
            let (scale, minimum): (Float, Float) = k < 128 ? (255, 255) : (100, 51)
            return 0.01 * scale * Float(code) - 0.02 * minimum
        }
        let values = try Fitted(weights, columns: 256, try format(bits, 128), solver).values
        for (stored, original) in zip(values, weights) { #expect(abs(stored - original) < 2e-4) }
    }

    @Test func paddingRowsAreZero() throws {
        let fitted = try Fitted([1, 2, -3], columns: 3, try format(.eight, 32), .search)
        let tile = fitted.tile(of: 0)
        #expect(tile.d[1...].allSatisfy { $0 == 0 } && tile.dm[1...].allSatisfy { $0 == 0 })
        #expect(tile.codes[(3 * 16)...].allSatisfy { $0 == 0 })
    }
}

@Suite struct InstructionSetTests {
    @Test(arguments: GroupFormat.all, [TSR_FIT_NEAREST, TSR_FIT_SEARCH])
    func allGiveTheSameBytes(format: GroupFormat, solver: tsr_fit_solver) throws {
        let columns = 200
        var numbers = Numbers(21)
        var weights = numbers.weights(16 * columns)
        for (row, odd) in OddGroupsTests.rows.enumerated() {
            weights.replaceSubrange(row * columns..<row * columns + odd.weights.count, with: odd.weights)
        }
        let importance = (0..<columns).map { Float($0 % 11) }
        let geometry = try #require(Shape.matrix(16, columns).flatMap { GroupGeometry(format, $0) })
        func fit(_ isa: tsr_isa) -> (tile: [UInt8], error: Double) {
            var kernelFormat = geometry.kernelFormat
            var tile = [UInt8](repeating: 0, count: geometry.tileBytes)
            var error = tsr_fit_error()
            let scratch = UnsafeMutableRawPointer.allocate(
                byteCount: tsr_fit_scratch_bytes(&kernelFormat), alignment: 64)
            defer { scratch.deallocate() }
            importance.withUnsafeBufferPointer { importance in
                weights.withUnsafeBytes { weights in
                    var weighting = tsr_fit_weighting(importance: importance.baseAddress, magnitude: 0.5)
                    var rows = tsr_fit_rows(
                        data: weights.baseAddress, stride: columns * 4, count: 16, type: TSR_FIT_F32)
                    #expect(
                        tsr_fit_tile_with(
                            isa, &kernelFormat, solver, &weighting, &rows, scratch, &tile, &error))
                }
            }
            return (tile, error.error)
        }
        let reference = fit(TSR_ISA_SCALAR)
        for isa in (1..<UInt32(TSR_ISA_COUNT)).map({ tsr_isa(rawValue: $0) })
        where tsr_isa_available(isa) != 0 {
            let other = fit(isa)
            #expect(other.tile == reference.tile)
            #expect(other.error == reference.error)
        }
    }
}
