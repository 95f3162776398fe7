import CKernels
import Testing

/// A NaN, of whatever bits, comes out as one: nothing that follows would see it otherwise.
@Suite struct NonFiniteKernelTests {
    /// Of either sign, quiet and signalling, with all bits and with the lowest alone.
    private static let patterns: [UInt32] = [
        0x7FC0_0000, 0xFFC0_0000, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7F80_0001, 0xFF80_0001, 0x7FC0_01FF,
    ]

    @Test(arguments: FloatKernels.available) func activationsKeepThem(_ kernels: FloatKernels) {
        let kinds = [TSR_SILU, TSR_QUICK_GELU, TSR_GELU_ERF, TSR_GELU_TANH]
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
        let (width, keys) = (16, 40)
        for pattern in Self.patterns {
            var noise = Noise(state: 5)
            let q = noise.floats(queries * width)
            var k = noise.floats(keys * width)
            let v = noise.floats(keys * width)
            for column in 0..<width { k[7 * width + column] = Float(bitPattern: pattern) }
            var y = [Float](repeating: 0, count: queries * width)
            q.withUnsafeBufferPointer { q in
                k.withUnsafeBytes { k in
                    v.withUnsafeBytes { v in
                        y.withUnsafeMutableBufferPointer { y in
                            var call = tsr_attention(
                                q: q.baseAddress, q_stride: width, cache_type: TSR_F32, k: k.baseAddress,
                                v: v.baseAddress, k_row_stride: width, v_row_stride: width,
                                k_head_stride: width,
                                v_head_stride: width, y: y.baseAddress, y_stride: width, heads: 1,
                                kv_heads: 1,
                                head_dim: width, scale: 0.25)
                            kernels.table.attend(&call, 0, 0, queries, -1, 0, keys)
                        }
                    }
                }
            }
            #expect(y.allSatisfy { $0.isNaN }, "\(pattern)")
        }
    }
}
