import CKernels
import Glibc
import Testing

/// Attention on 16-bit codes: near the exact result, and the same bits on every instruction set however queries are split.
@Suite struct CodedAttentionTests {
    typealias Inputs = AttentionTests.Inputs
    typealias Case = AttentionTests.Case

    static let cases = [
        Case(width: 80, queries: 61, keys: 150, heads: 2, kvHeads: 2),
        Case(width: 72, queries: 13, keys: 129, heads: 1, kvHeads: 1, keyBegin: 17),
        Case(width: 64, queries: 50, keys: 64, heads: 2, kvHeads: 1),
        Case(width: 128, queries: 70, keys: 91, heads: 2, kvHeads: 1),
        Case(width: 256, queries: 20, keys: 75, heads: 1, kvHeads: 1),
        Case(width: 129, queries: 7, keys: 33, heads: 1, kvHeads: 1),
        Case(width: 5, queries: 9, keys: 3, heads: 2, kvHeads: 2),
        Case(width: 1, queries: 4, keys: 65, heads: 1, kvHeads: 1),
        Case(width: 80, queries: 3, keys: 0, heads: 1, kvHeads: 1),
        Case(width: 80, queries: 700, keys: 700, heads: 1, kvHeads: 1),
    ]

    private static func table(_ kernels: FloatKernels) -> tsr_coded_attention {
        tsr_coded_attention_for(tsr_isa(rawValue: kernels.isa)).pointee
    }

    private static func withCall(_ inputs: Inputs, _ y: inout [Float], _ body: (inout tsr_attention) -> Void)
    {
        let shape = inputs.shape
        inputs.q.withUnsafeBufferPointer { q in
            inputs.k.withUnsafeBufferPointer { k in
                inputs.v.withUnsafeBufferPointer { v in
                    y.withUnsafeMutableBufferPointer { y in
                        var call = tsr_attention(
                            q: q.baseAddress, q_stride: inputs.qStride, cache_type: TSR_F32, k: k.baseAddress,
                            v: v.baseAddress, k_row_stride: inputs.kStride, v_row_stride: inputs.vStride,
                            k_head_stride: shape.width, v_head_stride: shape.width, y: y.baseAddress,
                            y_stride: inputs.yStride, heads: shape.heads, kv_heads: shape.kvHeads,
                            head_dim: shape.width, scale: inputs.scale)
                        body(&call)
                    }
                }
            }
        }
    }

    static func attend(_ kernels: FloatKernels, _ inputs: Inputs, parts: [Range<Int>]) -> [Float] {
        let (shape, table) = (inputs.shape, table(kernels))
        let (tileKeys, tileBytes) = (tsr_code_tile_keys(shape.width), tsr_code_tile_bytes(shape.width))
        let keys = shape.keyBegin..<shape.keys
        let count = (keys.count + tileKeys - 1) / tileKeys
        let tiles = UnsafeMutableRawPointer.allocate(byteCount: count * tileBytes + 64, alignment: 64)
        defer { tiles.deallocate() }
        // Whatever was there before must make no difference.
        memset(tiles, 0xAB, count * tileBytes + 64)
        var y = [Float](repeating: 9, count: shape.queries * inputs.yStride)
        withCall(inputs, &y) { call in
            for head in 0..<shape.heads {
                for tile in 0..<count {
                    let begin = keys.lowerBound + tile * tileKeys
                    table.code_tile(
                        &call, head * shape.kvHeads / shape.heads, begin,
                        min(tileKeys, keys.upperBound - begin), tiles + tile * tileBytes)
                }
                for part in parts {
                    table.attend(&call, head, part.lowerBound, part.upperBound, tiles, keys.count)
                }
            }
        }
        #expect(tiles.load(fromByteOffset: count * tileBytes, as: UInt8.self) == 0xAB)
        return y
    }

    /// The exact row of one query and head, and the bound of what codes may change of it.
    private func reference(_ inputs: Inputs, _ query: Int, _ head: Int) -> (row: [Double], tolerance: Double)
    {
        let shape = inputs.shape
        let kvHead = head * shape.kvHeads / shape.heads
        let keys = shape.keyBegin..<shape.keys
        let scale = Double(inputs.scale)
        let limit = (0x1p31 / Double((shape.width + 1) / 2 * 2)).squareRoot() - 2
        let q = (0..<shape.width).map { Double(inputs.q[query * inputs.qStride + head * shape.width + $0]) }
        let largestQ = q.map(abs).max() ?? 0
        var doubt = 0.0
        let scores = keys.map { key in
            let k = (0..<shape.width).map {
                Double(inputs.k[key * inputs.kStride + kvHead * shape.width + $0])
            }
            let largestK = k.map(abs).max() ?? 0
            // Half a step of either row, times the magnitudes of the other.
            let sizes = q.map(abs).reduce(0, +) * largestK + k.map(abs).reduce(0, +) * largestQ
            doubt = max(
                doubt, scale * (sizes + Double(shape.width) * largestQ * largestK / limit) / (2 * limit))
            return zip(q, k).reduce(0) { $0 + $1.0 * $1.1 } * scale
        }
        let peak = scores.max() ?? 0
        let weights = scores.map { exp($0 - peak) }
        let total = weights.reduce(0, +)
        let row = (0..<shape.width).map { d in
            zip(keys, weights).reduce(0) {
                $0 + $1.1 * Double(inputs.v[$1.0 * inputs.vStride + kvHead * shape.width + d])
            } / (keys.isEmpty ? 1 : total)
        }
        // |v| ≤ 1; a weight is off by half a step of its tile's peak, above and below the line.
        let steps = keys.isEmpty ? 0 : (1 + 2 * Double(keys.count) / total) * 0.5 / 5792
        return (row, 2 * doubt + steps + 1e-5)
    }

    @Test(arguments: FloatKernels.available, cases) func isNearTheReference(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape)
        let y = Self.attend(kernels, inputs, parts: [0..<shape.queries])
        for query in Set([0, 1, shape.queries / 2, shape.queries - 2, shape.queries - 1]) {
            for head in 0..<shape.heads {
                let (row, tolerance) = reference(inputs, query, head)
                for d in 0..<shape.width {
                    let error = abs(Double(y[query * inputs.yStride + head * shape.width + d]) - row[d])
                    if !(error <= tolerance) { Issue.record("[\(query), \(head), \(d)]: off by \(error)") }
                }
            }
            #expect(y[query * inputs.yStride + shape.heads * shape.width] == 9)
        }
    }

    @Test(arguments: FloatKernels.available, cases) func bitsAreThoseOfPlainC(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        for size: Float in [2, 30, 1e-3] {
            let inputs = Inputs(shape, size: size)
            let expected = Self.attend(FloatKernels(isa: 0), inputs, parts: [0..<shape.queries])
            #expect(bits(Self.attend(kernels, inputs, parts: [0..<shape.queries])) == bits(expected))
        }
    }

    @Test(arguments: FloatKernels.available, cases) func queriesMaySplitAnyhow(
        _ kernels: FloatKernels, _ shape: Case
    ) {
        let inputs = Inputs(shape)
        let whole = Self.attend(kernels, inputs, parts: [0..<shape.queries])
        let singles = Self.attend(kernels, inputs, parts: (0..<shape.queries).map { $0..<$0 + 1 })
        #expect(bits(singles) == bits(whole))
        let third = shape.queries / 3
        let parts = Self.attend(kernels, inputs, parts: [third..<shape.queries, 0..<third])
        #expect(bits(parts) == bits(whole))
    }

    /// A key far above the others takes all the weight; keys all alike, and a query of zeros, give the mean.
    @Test(arguments: FloatKernels.available) func weightsAtTheirEnds(_ kernels: FloatKernels) {
        let shape = Case(width: 64, queries: 12, keys: 200, heads: 1, kvHeads: 1)
        var inputs = Inputs(shape, size: 1)
        for i in inputs.q.indices { inputs.q[i] = 1 }
        for i in inputs.k.indices { inputs.k[i] = Float(i / inputs.kStride) * 5 }
        var y = Self.attend(kernels, inputs, parts: [0..<shape.queries])
        for d in 0..<shape.width {
            #expect(abs(y[d] - inputs.v[(shape.keys - 1) * inputs.vStride + d]) < 1e-4)
        }
        for i in inputs.q.indices { inputs.q[i] = 0 }
        y = Self.attend(kernels, inputs, parts: [0..<shape.queries])
        for d in 0..<shape.width {
            let mean =
                (0..<shape.keys).reduce(0) { $0 + inputs.v[$1 * inputs.vStride + d] } / Float(shape.keys)
            #expect(abs(y[d] - mean) < 1e-4)
        }
    }

    /// What is not finite reaches whatever sees it: a key all queries, a value its column, a query itself.
    @Test(arguments: FloatKernels.available, [Float.nan, -.nan, .infinity, -.infinity])
    func whatIsNotFiniteStaysSo(_ kernels: FloatKernels, _ value: Float) {
        let shape = Case(width: 18, queries: 20, keys: 100, heads: 1, kvHeads: 1)
        let clean = Inputs(shape)
        let expected = Self.attend(kernels, clean, parts: [0..<shape.queries])
        for place in ["key", "value", "query"] {
            var inputs = clean
            switch place {
            case "key": inputs.k[70 * inputs.kStride + 17] = value
            case "value": inputs.v[70 * inputs.vStride + 17] = value
            default: inputs.q[7 * inputs.qStride + 17] = value
            }
            let y = Self.attend(kernels, inputs, parts: [0..<shape.queries])
            for query in 0..<shape.queries {
                for d in 0..<shape.width {
                    let isLost = place == "key" || (place == "value" ? d == 17 : query == 7)
                    let index = query * inputs.yStride + d
                    #expect(isLost ? y[index].isNaN : y[index] == expected[index], "\(place) \(query) \(d)")
                }
            }
        }
    }

    /// Magnitudes at both ends of float32 give numbers or NaN, never nonsense.
    @Test(arguments: FloatKernels.available, [Float(1e-44), 1e-30, 1e30, 3e38])
    func extremeMagnitudes(_ kernels: FloatKernels, _ size: Float) {
        let shape = Case(width: 16, queries: 8, keys: 70, heads: 1, kvHeads: 1)
        var inputs = Inputs(shape)
        for i in inputs.k.indices { inputs.k[i] *= size / 2 }
        for value in Self.attend(kernels, inputs, parts: [0..<shape.queries]) {
            #expect(value.isNaN || abs(value) <= 1.001 || value == 9)
        }
    }

    /// Rows that lie apart attend to each other as they do side by side, to the bit, however many they are; others stay as they are.
    @Test(arguments: FloatKernels.available, [1, 5, 48, 63, 64, 65, 300])
    func windowsOfAnySize(_ kernels: FloatKernels, _ count: Int) {
        for (heads, kvHeads, width) in [(2, 1, 80), (1, 1, 256), (2, 2, 5)] {
            let dense = Inputs(
                Case(width: width, queries: count, keys: count, heads: heads, kvHeads: kvHeads))
            let expected = Self.attend(kernels, dense, parts: [0..<count])
            // Row i of the window is row 2·(count − 1 − i) + 1 of twice as many.
            let rows = (0..<count).map { Int32(2 * (count - 1 - $0) + 1) }
            func spread(_ x: [Float], _ stride: Int) -> [Float] {
                var all = [Float](repeating: .nan, count: 2 * count * stride)
                for (i, row) in rows.enumerated() {
                    all.replaceSubrange(
                        Int(row) * stride..<(Int(row) + 1) * stride, with: x[i * stride..<(i + 1) * stride])
                }
                return all
            }
            var apart = dense
            apart.q = spread(dense.q, dense.qStride)
            apart.k = spread(dense.k, dense.kStride)
            apart.v = spread(dense.v, dense.vStride)
            var y = [Float](repeating: 9, count: 2 * count * dense.yStride)
            Self.withCall(apart, &y) { call in
                for head in 0..<heads { Self.table(kernels).attend_rows(&call, head, rows, count) }
            }
            #expect(bits(y) == bits(spread(expected, dense.yStride).map { $0.isNaN ? 9 : $0 }))
        }
    }
}
