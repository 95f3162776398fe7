import CKernels
import Testing

/// The inner loops of solving by second moments.
@Suite struct SolveKernelTests {
    /// A group's scale and minimum suit its columns as they would be best, each making up for all before it, those of the group included:
    /// where just those are what codes can say, nothing more is lost.
    @Test func scalesSuitWhatWouldBeBest() {
        let (count, rows, step) = (32, 16, Float(0.125))
        var numbers = Numbers(6)
        let feedback = numbers.weights(count * count).map { 10 * $0 }
        let errors = numbers.weights(count * rows).map { 10 * $0 }
        // Every row has the least and the greatest code.
        let codes = (0..<count * rows).map { UInt8(($0 / rows * 7 + $0 % rows) % 16) }
        let best = codes.map { (Float($0) - 8) * step }
        var adjusted = best
        for column in 0..<count {
            for earlier in 0..<column {
                for row in 0..<rows {
                    adjusted[column * rows + row] -=
                        errors[earlier * rows + row] * feedback[earlier * count + column]
                }
            }
        }
        var (scales, minimums) = ([UInt8](repeating: 0, count: rows), [UInt8](repeating: 0, count: rows))
        var chosen = [UInt8](repeating: 0, count: count * rows)
        var left = [Float](repeating: 0, count: count * rows)
        // Eight steps of d are one of the codes, 64 of dm are eight.
        let unit = [Float](repeating: step / 8, count: rows)
        unit.withUnsafeBufferPointer { unit in
            scales.withUnsafeMutableBufferPointer { scales in
                minimums.withUnsafeMutableBufferPointer { minimums in
                    chosen.withUnsafeMutableBufferPointer { chosen in
                        var group = tsr_solve_group(
                            count: count, pitch: rows, bits: 4, d: unit.baseAddress, dm: unit.baseAddress,
                            scales: scales.baseAddress, minimums: minimums.baseAddress,
                            codes: chosen.baseAddress)
                        tsr_solve_compensate(
                            &group, zip(best, errors).map(+), adjusted,
                            [Float](repeating: 1, count: count), feedback, count, &left)
                    }
                }
            }
        }
        #expect(chosen == codes)
        #expect(scales.allSatisfy { $0 == 8 } && minimums.allSatisfy { $0 == 64 })
        #expect(zip(left, errors).allSatisfy { abs($0 - $1) < 1e-4 })
    }
}
