import CKernels
import Glibc
import Testing

@Suite struct AttentionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let width, queries, keys, heads, kvHeads: Int
        var causal = -1
        var keyBegin = 0
        var half = false
        var codes = false

        var testDescription: String {
            let shape = "\(heads)/\(kvHeads) heads of \(width), \(queries)×\(keys)"
            return "\(half ? "f16" : codes ? "i8" : "f32") \(shape), causal \(causal) from \(keyBegin)"
        }
    }

    static let cases = [
        Case(width: 80, queries: 61, keys: 150, heads: 2, kvHeads: 2),
        Case(width: 72, queries: 13, keys: 129, heads: 1, kvHeads: 1, keyBegin: 17),
        Case(width: 64, queries: 50, keys: 64, heads: 2, kvHeads: 1, half: true),
        Case(width: 128, queries: 70, keys: 90, heads: 2, kvHeads: 1, causal: 20, half: true),
        Case(width: 32, queries: 100, keys: 100, heads: 4, kvHeads: 2, causal: 0),
        Case(width: 256, queries: 20, keys: 75, heads: 1, kvHeads: 1, causal: 55, half: true),
        Case(width: 5, queries: 9, keys: 3, heads: 2, kvHeads: 2),
        Case(width: 5, queries: 9, keys: 9, heads: 2, kvHeads: 2, causal: 0, codes: true),
        Case(width: 64, queries: 2, keys: 77, heads: 4, kvHeads: 2, causal: 75, codes: true),
        Case(width: 128, queries: 70, keys: 90, heads: 2, kvHeads: 1, causal: 20, codes: true),
        Case(width: 250, queries: 20, keys: 75, heads: 1, kvHeads: 1, causal: 55, codes: true),
        Case(width: 36, queries: 1, keys: 200, heads: 2, kvHeads: 1, causal: 199, half: true),
        Case(width: 80, queries: 3, keys: 0, heads: 1, kvHeads: 1),
        Case(width: 80, queries: 1000, keys: 1000, heads: 1, kvHeads: 1),
    ]

    /// Inputs with rows of q, k, v and y longer than their heads.
    struct Inputs {
        let shape: Case
        var q, k, v: [Float]
        /// Rows of codes, one kv head after another, whose numbers `k` and `v` are.
        private var kCodes: [UInt8] = [], vCodes: [UInt8] = []
        let qStride, kStride, vStride, yStride: Int

        init(_ shape: Case, size: Float = 2) {
            self.shape = shape
            (qStride, yStride) = (shape.heads * shape.width + 3, shape.heads * shape.width + 2)
            (kStride, vStride) = (shape.kvHeads * shape.width + 7, shape.kvHeads * shape.width + 1)
            var noise = Noise(state: 11)
            q = noise.floats(shape.queries * qStride).map { $0 * size }
            k = noise.floats(shape.keys * kStride).map { $0 * size }
            v = noise.floats(shape.keys * vStride)
            if shape.half {
                k = k.map { Float(Float16($0)) }
                v = v.map { Float(Float16($0)) }
            }
            if shape.codes {
                kCodes = coded(&k, kStride, mixed: true)
                vCodes = coded(&v, vStride, mixed: false)
            }
        }

        private var rowBytes: Int { tsr_coded_row_scale(shape.width) + 4 }

        /// Codes of the heads' rows; the numbers become those that they stand for.
        private func coded(_ x: inout [Float], _ stride: Int, mixed: Bool) -> [UInt8] {
            var all: [UInt8] = []
            for key in 0..<shape.keys {
                for head in 0..<shape.kvHeads {
                    let part = key * stride + head * shape.width..<key * stride + (head + 1) * shape.width
                    var row = [UInt8](repeating: 0, count: rowBytes)
                    var numbers = Array(x[part])
                    if mixed { tsr_mix_row(&numbers, shape.width) }
                    tsr_code_row(numbers, shape.width, &row)
                    let scale = row.withUnsafeBytes {
                        $0.loadUnaligned(fromByteOffset: rowBytes - 4, as: Float.self)
                    }
                    numbers = row.prefix(shape.width).map { Float(Int8(bitPattern: $0)) * scale }
                    if mixed {
                        tsr_mix_row(&numbers, shape.width)
                        numbers = numbers.map { $0 / Float(tsr_mixed_run(shape.width)) }
                    }
                    x.replaceSubrange(part, with: numbers)
                    all += row
                }
            }
            return all
        }

        var scale: Float { 1 / Float(shape.width).squareRoot() }

        func attend(_ kernels: FloatKernels, parts: [Range<Int>]) -> [Float] {
            let strides = (kStride, vStride, shape.width)
            if shape.codes {
                let row = shape.kvHeads * rowBytes
                return attend(kernels, kCodes, vCodes, TSR_I8, (row, row, rowBytes), parts)
            }
            return shape.half
                ? attend(
                    kernels, k.map { Float16($0).bitPattern }, v.map { Float16($0).bitPattern }, TSR_F16,
                    strides, parts)
                : attend(kernels, k, v, TSR_F32, strides, parts)
        }

        private func attend<T: BitwiseCopyable>(
            _ kernels: FloatKernels, _ k: [T], _ v: [T], _ type: tsr_float_type,
            _ strides: (k: Int, v: Int, head: Int), _ parts: [Range<Int>]
        ) -> [Float] {
            var y = [Float](repeating: 9, count: shape.queries * yStride)
            q.withUnsafeBufferPointer { q in
                k.withUnsafeBytes { k in
                    v.withUnsafeBytes { v in
                        y.withUnsafeMutableBufferPointer { y in
                            var call = tsr_attention(
                                q: q.baseAddress, q_stride: qStride, cache_type: type, k: k.baseAddress,
                                v: v.baseAddress, k_row_stride: strides.k, v_row_stride: strides.v,
                                k_head_stride: strides.head, v_head_stride: strides.head, y: y.baseAddress,
                                y_stride: yStride, heads: shape.heads, kv_heads: shape.kvHeads,
                                head_dim: shape.width, scale: scale)
                            for head in 0..<shape.heads {
                                for part in parts {
                                    kernels.table.attend(
                                        &call, head, part.lowerBound, part.upperBound, shape.causal,
                                        shape.keyBegin,
                                        shape.keys)
                                }
                            }
                        }
                    }
                }
            }
            return y
        }

        /// The row of one query and head, and the bound of its error.
        func reference(_ query: Int, _ head: Int) -> (row: [Double], tolerance: Double) {
            let kvHead = head * shape.kvHeads / shape.heads
            let keys = shape.causal < 0 ? shape.keyBegin..<shape.keys : 0..<shape.causal + query + 1
            var doubt = 0.0
            let scores = keys.map { key in
                var sum = 0.0, size = 0.0
                for d in 0..<shape.width {
                    let term =
                        Double(q[query * qStride + head * shape.width + d])
                        * Double(k[key * kStride + kvHead * shape.width + d])
                    sum += term
                    size += abs(term)
                }
                doubt = max(doubt, Double(shape.width / 4 + 8) * roundoff * size * Double(scale))
                return sum * Double(scale)
            }
            let peak = scores.max() ?? 0
            let weights = scores.map { exp($0 - peak) }
            let total = weights.reduce(0, +)
            let row = (0..<shape.width).map { d in
                zip(keys, weights).reduce(0) {
                    $0 + $1.1 * Double(v[$1.0 * vStride + kvHead * shape.width + d])
                }
                    / (keys.isEmpty ? 1 : total)
            }
            // Scores' errors show in the weights and in their sum; |v| ≤ 1; the rest is the sums' own rounding.
            return (row, 2 * doubt + 4e-7 + Double(keys.count + 8) * roundoff)
        }
    }

    @Test(arguments: FloatKernels.available, cases) func matchesTheReference(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape)
        let y = inputs.attend(kernels, parts: [0..<shape.queries])
        for query in Set([0, 1, shape.queries / 2, shape.queries - 2, shape.queries - 1]) where query >= 0 {
            guard query < shape.queries else { continue }
            for head in 0..<shape.heads {
                let (row, tolerance) = inputs.reference(query, head)
                for d in 0..<shape.width {
                    let error = abs(Double(y[query * inputs.yStride + head * shape.width + d]) - row[d])
                    if !(error <= tolerance) { Issue.record("[\(query), \(head), \(d)]: off by \(error)") }
                }
            }
            #expect(y[query * inputs.yStride + shape.heads * shape.width] == 9)
        }
    }

    @Test(arguments: FloatKernels.available, cases) func queriesMaySplitAnyhow(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape)
        let whole = inputs.attend(kernels, parts: [0..<shape.queries])
        let singles = inputs.attend(kernels, parts: (0..<shape.queries).map { $0..<$0 + 1 })
        #expect(bits(singles) == bits(whole))
        let third = shape.queries / 3
        let parts = inputs.attend(kernels, parts: [third..<shape.queries, 0..<third])
        #expect(bits(parts) == bits(whole))
    }

    /// Scores 40 apart: the running peak moves, and all but one weight vanish.
    @Test(arguments: FloatKernels.available) func steepScores(_ kernels: FloatKernels) {
        let shape = Case(width: 64, queries: 12, keys: 200, heads: 1, kvHeads: 1)
        var inputs = Inputs(shape, size: 1)
        for key in 0..<shape.keys {
            for d in 0..<shape.width { inputs.k[key * inputs.kStride + d] = Float(key) * 5 }
        }
        for i in inputs.q.indices { inputs.q[i] = 1 }
        let y = inputs.attend(kernels, parts: [0..<shape.queries])
        for d in 0..<shape.width { #expect(y[d] == inputs.v[(shape.keys - 1) * inputs.vStride + d]) }
    }

    /// Rows that lie apart attend to each other as they do side by side, to the bit, however many they are; others stay as they are.
    @Test(arguments: FloatKernels.available, [1, 5, 48, 49, 64, 255, 256, 257, 1000])
    func windowsOfAnySize(_ kernels: FloatKernels, _ count: Int) {
        for (heads, kvHeads, width) in [(2, 1, 80), (1, 1, 256), (2, 2, 5)] {
            let dense = Inputs(
                Case(width: width, queries: count, keys: count, heads: heads, kvHeads: kvHeads))
            // Row i of the window is row 3·(count − 1 − i) + 1 of thrice as many.
            let rows = (0..<count).map { Int32(3 * (count - 1 - $0) + 1) }
            func spread(_ x: [Float], _ stride: Int) -> [Float] {
                var all = [Float](repeating: .nan, count: 3 * count * stride)
                for (i, row) in rows.enumerated() {
                    all.replaceSubrange(
                        Int(row) * stride..<(Int(row) + 1) * stride, with: x[i * stride..<(i + 1) * stride])
                }
                return all
            }
            let (q, k, v) = (
                spread(dense.q, dense.qStride), spread(dense.k, dense.kStride), spread(dense.v, dense.vStride)
            )
            var y = [Float](repeating: 9, count: 3 * count * dense.yStride)
            q.withUnsafeBufferPointer { q in
                k.withUnsafeBufferPointer { k in
                    v.withUnsafeBufferPointer { v in
                        y.withUnsafeMutableBufferPointer { y in
                            var call = tsr_attention(
                                q: q.baseAddress, q_stride: dense.qStride, cache_type: TSR_F32,
                                k: k.baseAddress,
                                v: v.baseAddress, k_row_stride: dense.kStride, v_row_stride: dense.vStride,
                                k_head_stride: width, v_head_stride: width, y: y.baseAddress,
                                y_stride: dense.yStride,
                                heads: heads, kv_heads: kvHeads, head_dim: width, scale: dense.scale)
                            for head in 0..<heads { kernels.table.attend_rows(&call, head, rows, count) }
                        }
                    }
                }
            }
            let expected = dense.attend(kernels, parts: [0..<count])
            for (i, row) in rows.enumerated() {
                let found = y[Int(row) * dense.yStride..<(Int(row) + 1) * dense.yStride]
                #expect(
                    bits(Array(found)) == bits(Array(expected[i * dense.yStride..<(i + 1) * dense.yStride])))
            }
            let written = Set(rows)
            for row in 0..<3 * count where !written.contains(Int32(row)) {
                #expect(y[row * dense.yStride..<(row + 1) * dense.yStride].allSatisfy { $0 == 9 })
            }
        }
    }
}
