import CKernels
import Glibc
import Testing

/// One instruction set that this processor has, and its float kernels.
struct FloatKernels: Sendable, CustomTestStringConvertible {
    let isa: UInt32

    var testDescription: String { String(cString: tsr_isa_name(tsr_isa(rawValue: isa))) }
    var table: tsr_float_kernels { tsr_float_kernels_for(tsr_isa(rawValue: isa)).pointee }

    static let available = (0..<UInt32(TSR_ISA_COUNT)).filter {
        tsr_isa_available(tsr_isa(rawValue: $0)) != 0
    }
    .map(FloatKernels.init)
}

/// Repeatable numbers in [-1, 1).
struct Noise {
    var state: UInt64

    mutating func bits() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float(bits()) * 0x1p-30 - 1 } }
}

/// The unit roundoff of f32: each operation's relative error.
let roundoff = 0x1p-24

func bits(_ x: [Float]) -> [UInt32] { x.map(\.bitPattern) }

@Suite struct ConversionTests {
    static let lengths = [0, 1, 3, 7, 8, 15, 16, 17, 33, 100]

    func widened<T: BitwiseCopyable>(_ kernels: FloatKernels, _ type: tsr_float_type, _ source: [T])
        -> [Float]
    {
        var out = [Float](repeating: -1, count: source.count + 1)
        kernels.table.to_f32(type, source, source.count, &out)
        #expect(out.last == -1)
        return out.dropLast()
    }

    func narrowed(_ kernels: FloatKernels, _ x: [Float]) -> [UInt16] {
        var out = [UInt16](repeating: 0xabcd, count: x.count + 1)
        kernels.table.f32_to_f16(x, x.count, &out)
        #expect(out.last == 0xabcd)
        return out.dropLast()
    }

    @Test(arguments: FloatKernels.available) func everyHalfWidensExactly(_ kernels: FloatKernels) {
        let halves = (0...UInt16.max).map { $0 }
        for (half, float) in zip(halves, widened(kernels, TSR_F16, halves)) {
            let expected = Float(Float16(bitPattern: half))
            if expected.isNaN ? !float.isNaN : float.bitPattern != expected.bitPattern {
                Issue.record("f16 \(half): \(float)")
            }
        }
    }

    @Test(arguments: FloatKernels.available) func everyBrainFloatWidensExactly(_ kernels: FloatKernels) {
        let values = (0...UInt16.max).map { $0 }
        #expect(bits(widened(kernels, TSR_BF16, values)) == values.map { UInt32($0) << 16 })
    }

    @Test(arguments: FloatKernels.available) func everyLengthWidens(_ kernels: FloatKernels) {
        for length in Self.lengths {
            var noise = Noise(state: 1)
            let floats = noise.floats(length)
            let doubles = floats.map { Double($0) * 1.000000003 }
            #expect(widened(kernels, TSR_F32, floats) == floats)
            #expect(widened(kernels, TSR_F64, doubles) == doubles.map(Float.init))
            let halves = floats.map(Float16.init)
            #expect(widened(kernels, TSR_F16, halves.map(\.bitPattern)) == halves.map(Float.init))
            let codes = floats.map { Int8($0 * 128) }
            #expect(widened(kernels, TSR_I8, codes) == codes.map(Float.init))
        }
    }

    @Test(arguments: FloatKernels.available) func halvesRoundToNearestEven(_ kernels: FloatKernels) {
        var values: [Float] = [
            0, -0.0, 65504, 65519.996, 65520, 1e10, .greatestFiniteMagnitude, .infinity, -.infinity, 0x1p-24,
            0x1p-25,
            0x1.000002p-25, 0x1p-26, 0x1.8p-24, 0x1.ffcp-15, 0x1.ffep-15, .leastNonzeroMagnitude,
        ]
        for half in stride(from: UInt16(0), to: 0x7c00, by: 37) {  // halves, midpoints, and their neighbours
            let low = Float(Float16(bitPattern: half)),
                middle = (low + Float(Float16(bitPattern: half + 1))) / 2
            values += [low, middle, middle.nextUp, middle.nextDown, -middle]
        }
        #expect(narrowed(kernels, values) == values.map { Float16($0).bitPattern })
        #expect(narrowed(kernels, [.nan]).allSatisfy { Float16(bitPattern: $0).isNaN })
    }

    /// What the rule says, to the bit.
    @Test(arguments: FloatKernels.available) func rowsAreCodedByTheirLargest(_ kernels: FloatKernels) {
        for length in Self.lengths.dropFirst() {
            var noise = Noise(state: 5)
            for size in [1, 3e-36, 1e-37, 2e37, 0] as [Float] {
                var row = noise.floats(length).map { $0 * size }
                row[length / 2] *= 4
                let largest = row.map(abs).max() ?? 0
                let isZero = largest < 0x1p-119
                let (codes, scale) = coded(kernels, row)
                #expect(scale == (isZero ? 0 : largest / 127))
                let inverse = 127 / largest
                #expect(codes == row.map { isZero ? 0 : Int8(($0 * inverse).rounded(.toNearestOrEven)) })
            }
            for bad in [Float.nan, .infinity, -.infinity] {
                var row = noise.floats(length)
                row[length - 1] = bad
                #expect(coded(kernels, row).scale.isNaN)
            }
        }
    }

    private func coded(_ kernels: FloatKernels, _ row: [Float]) -> (codes: [Int8], scale: Float) {
        let end = tsr_coded_row_scale(row.count)
        var bytes = [UInt8](repeating: 0xaa, count: end + 8)
        kernels.table.code_row(row, row.count, &bytes)
        #expect(
            bytes[row.count..<end].allSatisfy { $0 == 0 } && bytes[(end + 4)...].allSatisfy { $0 == 0xaa })
        return bytes.withUnsafeBytes {
            (
                row.indices.map { Int8(bitPattern: bytes[$0]) },
                $0.loadUnaligned(fromByteOffset: end, as: Float.self)
            )
        }
    }

    @Test(arguments: FloatKernels.available) func theFirstNonFiniteIsFound(_ kernels: FloatKernels) {
        func first<T: BitwiseCopyable>(_ type: tsr_float_type, _ x: [T]) -> Int? {
            var index = 0
            return kernels.table.first_nonfinite(type, x, x.count, &index) != 0 ? index : nil
        }
        for count in Self.lengths + [1023, 1024, 1025, 3000] {
            var singles = [Float](repeating: -.greatestFiniteMagnitude, count: count)
            var halves = [UInt16](repeating: 0xfbff, count: count)
            var brains = [UInt16](repeating: 0xff7f, count: count)
            var doubles = [Double](repeating: -.greatestFiniteMagnitude, count: count)
            #expect(first(TSR_F32, singles) == nil && first(TSR_F16, halves) == nil)
            #expect(first(TSR_BF16, brains) == nil && first(TSR_F64, doubles) == nil)
            for index in Set([count - 1, count / 2, 0]).filter({ 0..<count ~= $0 }).sorted(by: >) {
                singles[index] = index % 2 == 0 ? .infinity : .nan
                halves[index] = index % 2 == 0 ? 0xfc00 : 0x7e00
                brains[index] = index % 2 == 0 ? 0xff80 : 0x7fc0
                doubles[index] = index % 2 == 0 ? -.infinity : .nan
                #expect(first(TSR_F32, singles) == index && first(TSR_F16, halves) == index)
                #expect(first(TSR_BF16, brains) == index && first(TSR_F64, doubles) == index)
            }
        }
    }
}

@Suite struct FloatProductTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let rows, columns, tokens: Int

        var testDescription: String { "\(rows)×\(columns) by \(tokens)" }
    }

    static let shapes = [
        Shape(rows: 1, columns: 1, tokens: 1), Shape(rows: 5, columns: 7, tokens: 3),
        Shape(rows: 37, columns: 75, tokens: 13), Shape(rows: 70, columns: 16, tokens: 23),
        Shape(rows: 9, columns: 1031, tokens: 11), Shape(rows: 33, columns: 0, tokens: 12),
    ]

    /// `x` and `y` rows are padded by 3 and 5 elements.
    func product(
        _ kernels: FloatKernels, _ type: tsr_float_type, _ w: UnsafeRawPointer, _ shape: Shape, _ x: [Float],
        _ bias: [Float]?, rows: [Range<Int>], tokens: [Range<Int>]
    ) -> [Float] {
        var y = [Float](repeating: 99, count: shape.tokens * (shape.rows + 5))
        for rowRange in rows {
            for tokenRange in tokens {
                kernels.table.float_product(
                    type, w, shape.columns, rowRange.lowerBound, rowRange.upperBound, x, shape.columns + 3,
                    tokenRange.lowerBound, tokenRange.upperBound, bias, &y, shape.rows + 5)
            }
        }
        return y
    }

    @Test(arguments: FloatKernels.available, shapes) func everyTypeAndPartition(
        _ kernels: FloatKernels, _ shape: Shape
    ) {
        var noise = Noise(state: 7)
        let w = noise.floats(shape.rows * shape.columns), x = noise.floats(shape.tokens * (shape.columns + 3))
        let bias = noise.floats(shape.rows)
        check(kernels, TSR_F32, w, w, shape, x, bias)
        check(kernels, TSR_F64, w.map(Double.init), w, shape, x, bias)
        let halves = w.map(Float16.init)
        check(kernels, TSR_F16, halves.map(\.bitPattern), halves.map(Float.init), shape, x, bias)
        let codes = w.map { Int8($0 * 127) }
        check(kernels, TSR_I8, codes, codes.map(Float.init), shape, x, bias)
        let brains = w.map { UInt16($0.bitPattern >> 16) }
        check(kernels, TSR_BF16, brains, brains.map { Float(bitPattern: UInt32($0) << 16) }, shape, x, nil)
    }

    func check<T: BitwiseCopyable>(
        _ kernels: FloatKernels, _ type: tsr_float_type, _ stored: [T], _ w: [Float], _ shape: Shape,
        _ x: [Float],
        _ bias: [Float]?
    ) {
        let (rows, columns, tokens) = (shape.rows, shape.columns, shape.tokens)
        stored.withUnsafeBytes { raw in
            let base = raw.baseAddress ?? UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped
            let whole = product(kernels, type, base, shape, x, bias, rows: [0..<rows], tokens: [0..<tokens])
            // A partial sum takes a fourth of a block of 512 at most; then come the parts, the blocks, the bias.
            let roundings = Double(min(columns, 512) / 4 + 10 + columns / 512)
            for t in 0..<tokens {
                for n in 0..<rows + 5 {
                    guard n < rows else {
                        #expect(whole[t * (rows + 5) + n] == 99)
                        continue
                    }
                    var sum = Double(bias?[n] ?? 0), size = abs(sum)
                    for k in 0..<columns {
                        let term = Double(w[n * columns + k]) * Double(x[t * (columns + 3) + k])
                        sum += term
                        size += abs(term)
                    }
                    let error = abs(Double(whole[t * (rows + 5) + n]) - sum)
                    if error > roundings * roundoff * size {
                        Issue.record("\(type) [\(t), \(n)]: off by \(error)")
                    }
                }
            }
            let third = rows / 3, half = tokens / 2
            let parts = product(
                kernels, type, base, shape, x, bias, rows: [0..<third, third..<rows],
                tokens: [0..<half, half..<tokens])
            #expect(bits(parts) == bits(whole))
            let singles = product(
                kernels, type, base, shape, x, bias, rows: (0..<rows).map { $0..<$0 + 1 },
                tokens: (0..<tokens).map { $0..<$0 + 1 })
            #expect(bits(singles) == bits(whole))
        }
    }
}

@Suite struct ElementwiseTests {
    static let widths = [1, 5, 8, 16, 31, 64, 75, 1280]

    @Test(arguments: FloatKernels.available, widths) func rootMeanSquareNorm(
        _ kernels: FloatKernels, _ columns: Int
    ) {
        var noise = Noise(state: 3)
        let rows = 3, weight = noise.floats(columns)
        var x = noise.floats(rows * (columns + 2)).map { $0 * 30 }
        for i in 0..<columns { x[i] = 0 }
        var y = [Float](repeating: 9, count: rows * (columns + 1))
        kernels.table.rms_norm(x, columns + 2, weight, 1e-6, rows, columns, &y, columns + 1)
        for row in 0..<rows {
            let line = x[row * (columns + 2)..<row * (columns + 2) + columns].map(Double.init)
            let factor =
                1 / (line.reduce(0) { $0 + $1 * $1 } / Double(columns) + Double(Float(1e-6))).squareRoot()
            for i in 0..<columns {
                let expected = line[i] * factor * Double(weight[i])
                let error = abs(Double(y[row * (columns + 1) + i]) - expected)
                #expect(error <= Double(columns / 8 + 12) * roundoff * abs(expected))
            }
            #expect(y[row * (columns + 1) + columns] == 9)
        }
        // In place.
        kernels.table.rms_norm(x, columns + 2, weight, 1e-6, rows, columns, &x, columns + 2)
        #expect(x[columns + 2..<2 * columns + 2] == y[columns + 1..<2 * columns + 1])
    }

    @Test(arguments: FloatKernels.available, widths) func layerNorm(_ kernels: FloatKernels, _ columns: Int) {
        var noise = Noise(state: 4)
        let rows = 3, weight = noise.floats(columns), bias = noise.floats(columns)
        var x = noise.floats(rows * (columns + 2)).map { $0 * 5 + 3 }
        for i in 0..<columns { x[i] = 0 }
        var y = [Float](repeating: 9, count: rows * (columns + 1))
        kernels.table.layer_norm(x, columns + 2, weight, bias, 1e-5, rows, columns, &y, columns + 1)
        for row in 0..<rows {
            let line = x[row * (columns + 2)..<row * (columns + 2) + columns].map(Double.init)
            let mean = line.reduce(0, +) / Double(columns)
            let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            let factor = 1 / (variance + Double(Float(1e-5))).squareRoot()
            for i in 0..<columns {
                let expected = (line[i] - mean) * factor * Double(weight[i]) + Double(bias[i])
                let error = abs(Double(y[row * (columns + 1) + i]) - expected)
                // The mean is off by a rounding of |x| ≤ 8 for each addition to a lane.
                let size = (abs(line[i] - mean) + 8) * factor * abs(Double(weight[i])) + abs(Double(bias[i]))
                #expect(error <= Double(columns / 4 + 16) * roundoff * size)
            }
            #expect(y[row * (columns + 1) + columns] == 9)
        }
        // In place.
        kernels.table.layer_norm(x, columns + 2, weight, bias, 1e-5, rows, columns, &x, columns + 2)
        #expect(x[columns + 2..<2 * columns + 2] == y[columns + 1..<2 * columns + 1])
    }

    /// act(x), and the argument of the exponential inside: the rounding of it shows times its size.
    static func reference(_ kind: tsr_activation, _ x: Double) -> (value: Double, argument: Double) {
        func timesSigmoid(_ c: Double) -> (Double, Double) { (x / (1 + exp(-c)), c) }
        switch kind {
        case TSR_SILU: return timesSigmoid(x)
        case TSR_SIGMOID: return (1 / (1 + exp(-x)), x)
        case TSR_QUICK_GELU: return timesSigmoid(1.702 * x)
        case TSR_GELU_TANH: return timesSigmoid(2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))
        default: return (x * erfc(-x / 2.0.squareRoot()) / 2, x * x / 2)
        }
    }

    @Test(
        arguments: FloatKernels.available,
        [TSR_SILU, TSR_QUICK_GELU, TSR_GELU_ERF, TSR_GELU_TANH, TSR_SIGMOID].map(\.rawValue))
    func activations(_ kernels: FloatKernels, _ rawKind: UInt32) {
        let kind = tsr_activation(rawValue: rawKind)
        var x = (-4000...4000).map { Float($0) * 0.005 }
        x += (-300...300).map { Float($0) * 0.37 }
        for size: Float in [
            1e-38, 1e-30, 1e-10, 1e-4, 120, 1000, 1e6, 1e13, 1e20, 1e30, .greatestFiniteMagnitude,
        ] {
            x += [size, -size]
        }
        let up = x.map { $0 > 0 ? Float(0.5) : -2 }
        var y = [Float](repeating: 0, count: x.count), gated = y
        kernels.table.activate(kind, x, x.count, &y)
        kernels.table.gated_product(kind, x, up, x.count, &gated)
        for i in x.indices {
            let (expected, argument) = Self.reference(kind, Double(x[i]))
            let error = abs(Double(y[i]) - expected)
            let tolerance = abs(expected) * (1e-6 + 4 * roundoff * min(abs(argument), 100)) + 2e-36
            if !(error <= tolerance) { Issue.record("act(\(x[i])) = \(y[i]), not \(expected)") }
            #expect(gated[i] == y[i] * up[i])
        }
        var inPlace = x
        kernels.table.activate(kind, inPlace, inPlace.count, &inPlace)
        #expect(bits(inPlace) == bits(y))
        for count in 0..<35 {  // tails, and nothing written behind them
            var part = [Float](repeating: 9, count: count + 1)
            kernels.table.activate(kind, x, count, &part)
            #expect(part == y[..<count] + [9])
        }
    }

    @Test(arguments: FloatKernels.available) func sums(_ kernels: FloatKernels) {
        for count in 0..<40 {
            var noise = Noise(state: 5)
            let a = noise.floats(count), b = noise.floats(count)
            var y = [Float](repeating: 9, count: count + 1)
            kernels.table.add(a, b, count, &y)
            #expect(y == zip(a, b).map { $0 + $1 } + [9])
        }
    }

    @Test(arguments: FloatKernels.available, widths) func gatedRows(_ kernels: FloatKernels, _ columns: Int) {
        var noise = Noise(state: 8)
        let rows = 3, x = noise.floats(rows * (columns + 2)), gates: [Float] = [-120, 9, -1.5, 9, 120]
        var y = [Float](repeating: 9, count: rows * (columns + 1))
        kernels.table.gate_rows(gates, 2, x, columns + 2, rows, columns, &y, columns + 1)
        for row in 0..<rows {
            var (gate, factor) = (gates[2 * row], Float(0))
            kernels.table.activate(TSR_SIGMOID, &gate, 1, &factor)
            let line = x[row * (columns + 2)..<row * (columns + 2) + columns]
            let expected: [Float] = line.map { $0 * factor } + [9]
            #expect(Array(y[row * (columns + 1)..<(row + 1) * (columns + 1)]) == expected)
        }
        kernels.table.gate_rows(gates, 2, y, columns + 1, rows, columns, &y, columns + 1)  // in place
        #expect(y[0] == 0 && abs(y[2 * (columns + 1)] - x[2 * (columns + 2)]) <= Float(roundoff))
    }

    /// Wide heads are rotated in part.
    @Test(arguments: FloatKernels.available, [(2, 2), (24, 29), (32, 32), (72, 72), (80, 81), (64, 256)])
    func rotary(_ kernels: FloatKernels, _ head: (rotated: Int, width: Int)) {
        let (rotated, width) = head
        var noise = Noise(state: 6)
        let rows = 3, heads = 2, half = rotated / 2, stride = heads * width + 3
        let before = noise.floats(rows * stride)
        let cosine = noise.floats(rows * half), sine = noise.floats(rows * half)
        var x = before
        kernels.table.rotary(&x, stride, rows, heads, width, rotated, cosine, sine)
        for row in 0..<rows {
            for i in 0..<heads * width {
                let at = row * stride + i, column = i % width
                guard column < rotated else {
                    #expect(x[at] == before[at])
                    continue
                }
                let pair = row * half + column % half, low = column < half
                let other = Double(before[low ? at + half : at - half]), c = Double(cosine[pair]),
                    s = Double(sine[pair])
                let expected = Double(before[at]) * c + (low ? -other : other) * s
                #expect(abs(Double(x[at]) - expected) <= 4 * roundoff)
            }
            let behind = row * stride + heads * width..<(row + 1) * stride
            #expect(x[behind] == before[behind])
        }
    }
}
