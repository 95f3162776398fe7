import CKernels
import Testing

/// A NaN, of whatever bits, comes out as one: nothing that follows would see it otherwise.
@Suite struct NonFiniteKernelTests {
    /// Of either sign, quiet and signalling, with all bits and with the lowest alone.
    private static let patterns: [UInt32] = [
        0x7FC0_0000, 0xFFC0_0000, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7F80_0001, 0xFF80_0001, 0x7FC0_01FF,
    ]

    @Test(arguments: FloatKernels.available) func activationsKeepThem(_ kernels: FloatKernels) {
        let kinds = [TSR_SILU, TSR_QUICK_GELU, TSR_GELU_ERF, TSR_GELU_TANH, TSR_SIGMOID]
        for (kind, pattern) in kinds.flatMap({ kind in Self.patterns.map { (kind, $0) } }) {
            var x = [Float](repeating: 0.5, count: 37)
            for place in [0, 5, 36] { x[place] = Float(bitPattern: pattern) }
            var y = x
            kernels.table.activate(kind, x, x.count, &y)
            for (place, value) in y.enumerated() {
                #expect(value.isNaN == [0, 5, 36].contains(place), "\(kind) \(pattern) \(place)")
            }
        }
    }

    /// A key that is one reaches every query that sees it, in few queries and in many.
    @Test(arguments: FloatKernels.available, [1, 20])
    func attentionKeepsThem(_ kernels: FloatKernels, queries: Int) {
        let shape = AttentionTests.Case(width: 16, queries: queries, keys: 40, heads: 1, kvHeads: 1)
        for pattern in Self.patterns {
            var inputs = AttentionTests.Inputs(shape)
            for column in 0..<shape.width {
                inputs.k[7 * inputs.kStride + column] = Float(bitPattern: pattern)
            }
            let y = inputs.attend(kernels, parts: [0..<queries])
            for query in 0..<queries {
                let row = y[query * inputs.yStride..<query * inputs.yStride + shape.width]
                #expect(row.allSatisfy { $0.isNaN }, "\(pattern)")
            }
        }
    }

    /// Rows of codes have NaN for a scale: whoever sees one has it, as key or as value, and those before do not.
    @Test(arguments: FloatKernels.available, [false, true])
    func attentionKeepsThoseOfCodes(_ kernels: FloatKernels, values: Bool) {
        let (width, keys) = (16, 40)
        let row = tsr_coded_row_scale(width) + 4
        var sound = [UInt8](repeating: 0, count: keys * row)
        let numbers = (0..<width).map { Float($0) }
        for key in 0..<keys {
            sound.withUnsafeMutableBytes {
                tsr_code_row(numbers, width, $0.baseAddress.map { $0 + key * row })
            }
        }
        var bad = sound
        let infinite = numbers.map { $0 == 3 ? Float.infinity : $0 }
        bad.withUnsafeMutableBytes { tsr_code_row(infinite, width, $0.baseAddress.map { $0 + 7 * row }) }
        var y = [Float](repeating: 0, count: keys * width)
        let q = [Float](repeating: 0.1, count: keys * width)
        q.withUnsafeBufferPointer { q in
            sound.withUnsafeBytes { sound in
                bad.withUnsafeBytes { bad in
                    y.withUnsafeMutableBufferPointer { y in
                        var call = tsr_attention(
                            q: q.baseAddress, q_stride: width, cache_type: TSR_I8,
                            k: (values ? sound : bad).baseAddress, v: (values ? bad : sound).baseAddress,
                            k_row_stride: row, v_row_stride: row, k_head_stride: 0, v_head_stride: 0,
                            y: y.baseAddress, y_stride: width, heads: 1, kv_heads: 1, head_dim: width,
                            scale: 1)
                        kernels.table.attend(&call, 0, 0, keys, 0, 0, 0)
                    }
                }
            }
        }
        for (index, value) in y.enumerated() { #expect(value.isNaN == (index / width >= 7), "\(index)") }
    }
}
