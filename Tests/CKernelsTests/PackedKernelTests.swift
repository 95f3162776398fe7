import CKernels
import Testing

private let available = (0..<UInt32(TSR_ISA_COUNT)).map { tsr_isa(rawValue: $0) }
    .filter { tsr_isa_available($0) != 0 }

/// Numbers that are the same in every run.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ (state >> 33)) &* 0xff51_afd7_ed55_8ccd
    }
}

private struct Format: CustomStringConvertible, Sendable {
    var bits: Int
    var group: Int
    var kind = TSR_ROW_FACTORS
    /// Columns that share a scale in the activations.
    var activations: Int { Int(tsr_activation_group(UInt32(group))) }
    var isFloat4: Bool { kind == TSR_MXFP4 || kind == TSR_NVFP4 }
    /// Bytes before the groups' entries, and of a row's scale and what comes with it.
    var table: (head: Int, scale: Int, minimum: Int) {
        switch kind {
        case TSR_ZERO_POINTS: (0, 2, 1)
        case TSR_BIASES: (0, 2, 2)
        case TSR_MXFP4, TSR_NVFP4: (128, 1, 0)
        default: (128, 1, 1)
        }
    }
    var description: String {
        switch kind {
        case TSR_ZERO_POINTS: "int\(bits), groups of \(group) with zero points"
        case TSR_BIASES: "int\(bits), groups of \(group) with biases"
        case TSR_MXFP4: "MXFP4"
        case TSR_NVFP4: "NVFP4"
        default: "int\(bits), groups of \(group)"
        }
    }
}

/// What the codes of E2M1 stand for.
private let float4: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

/// What a byte of scale stands for, by the definition of its format.
private func scale(_ byte: UInt8, _ kind: tsr_packed_scales) -> Float {
    if kind == TSR_MXFP4 {
        return byte == 255 ? .nan : Float(sign: .plus, exponent: Int(byte) - 127, significand: 1)
    }
    let (exponent, fraction) = (Int(byte >> 3 & 15), Float(byte & 7))
    if byte & 127 == 127 { return .nan }
    let magnitude =
        exponent == 0
        ? fraction * 0x1p-9 : Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction / 8)
    return byte < 128 ? magnitude : -magnitude
}

extension tsr_packed_scales: @retroactive @unchecked Sendable {}

private let factored =
    [4, 8].flatMap { bits in [16, 32, 64, 128].map { Format(bits: bits, group: $0) } }
    + [
        Format(bits: 4, group: 8), Format(bits: 8, group: 4), Format(bits: 4, group: 512),
        Format(bits: 8, group: 512),
    ]
private let upper = [5, 6].flatMap { bits in [32, 64, 128, 512].map { Format(bits: bits, group: $0) } }
private let formats =
    factored + upper
    + factored.map { Format(bits: $0.bits, group: $0.group, kind: TSR_ZERO_POINTS) }
    + [(5, 32), (5, 128), (6, 64), (6, 512)].map { Format(bits: $0, group: $1, kind: TSR_ZERO_POINTS) }
    + [(4, 8), (4, 32), (4, 64), (5, 32), (5, 512), (6, 32), (6, 128), (8, 4), (8, 64)].map {
        Format(bits: $0, group: $1, kind: TSR_BIASES)
    } + [Format(bits: 4, group: 32, kind: TSR_MXFP4), Format(bits: 4, group: 16, kind: TSR_NVFP4)]

/// A matrix by its definition, and packed by the text of packed.h.
private final class Matrix {
    let rows: Int, columns: Int, format: Format, groups: Int
    var codes: [UInt8] = []  // [rows][columns]
    private var scales: [UInt8] = [], minimums: [UInt8] = []  // [rows][groups]
    private var d: [Float] = [], dm: [Float] = []
    private var halves: [Float16] = [], biases: [Float16] = []  // [rows][groups]
    let tiles: UnsafeMutableRawBufferPointer

    init(
        rows: Int, columns: Int, format: Format, random: inout Random, code: ((inout Random) -> UInt8)? = nil
    ) {
        (self.rows, self.columns, self.format) = (rows, columns, format)
        groups = (columns + format.group - 1) / format.group
        let largest = UInt8(1 << format.bits - 1)
        for _ in 0..<rows * columns {
            codes.append(code?(&random) ?? .random(in: 0...largest, using: &random))
        }
        for _ in 0..<rows * groups {
            scales.append(.random(in: 0...255, using: &random))
            minimums.append(.random(in: 0...255, using: &random))
            // Denormal ones too.
            halves.append(
                .random(in: -0.1...0.1, using: &random) * (Bool.random(using: &random) ? 1 : 0x1p-18))
            biases.append(.random(in: -2...2, using: &random))
        }
        // Finite ones, some of them denormal.
        if format.kind == TSR_MXFP4 {
            scales = scales.map { $0 % 8 == 0 ? $0 / 128 : 112 + $0 % 20 }
        } else if format.kind == TSR_NVFP4 {
            scales = scales.map { $0 & ($0 % 8 == 0 ? 0x87 : 0xFE) }
        }
        for _ in 0..<rows {
            d.append(.random(in: 1e-5...1e-3, using: &random))
            dm.append(
                format.isFloat4
                    ? .random(in: -2...(-0.5), using: &random) : .random(in: 1e-5...1e-3, using: &random))
        }

        let (factorBytes, entryBytes) = (format.table.head, 16 * (format.table.scale + format.table.minimum))
        let scaleBytes = (entryBytes * groups + 63) / 64 * 64
        let groupBytes = 16 * format.group * format.bits / 8
        let tileBytes = factorBytes + scaleBytes + groups * groupBytes
        tiles = .allocate(byteCount: (rows + 15) / 16 * tileBytes, alignment: 64)
        tiles.initializeMemory(as: UInt8.self, repeating: 0)
        for n in 0..<rows {
            let tile = n / 16 * tileBytes, r = n % 16
            if factorBytes > 0 {
                tiles.storeBytes(of: d[n], toByteOffset: tile + r * 4, as: Float.self)
                tiles.storeBytes(of: dm[n], toByteOffset: tile + 64 + r * 4, as: Float.self)
            }
            for g in 0..<groups {
                let entry = tile + factorBytes + g * entryBytes, at = n * groups + g
                if format.table.scale == 2 {
                    tiles.storeBytes(of: halves[at], toByteOffset: entry + r * 2, as: Float16.self)
                } else {
                    tiles[entry + r] = scales[at]
                }
                let second = entry + 16 * format.table.scale + r * format.table.minimum
                if format.table.minimum == 2 {
                    tiles.storeBytes(of: biases[at], toByteOffset: second, as: Float16.self)
                } else if format.table.minimum == 1 {
                    tiles[second] = minimums[at]
                }
            }
            for k in 0..<columns {
                let group = tile + factorBytes + scaleBytes + k / format.group * groupBytes
                let within = k % format.group, half = format.group / 2
                let code = codes[n * columns + k]
                if format.bits == 8 {
                    tiles[group + within / 4 * 64 + r * 4 + within % 4] = code
                } else {
                    let (place, isHigh) = (within % half, within < half ? 0 : 1)
                    let (step, byte) = (place / 4, r * 4 + place % 4)
                    tiles[group + step * 64 + byte] |= (code & 15) << (4 * isHigh)
                    let more = format.bits - 4
                    guard more > 0 else { continue }
                    let shared = 4 / more
                    tiles[group + (half / 4 + step / shared) * 64 + byte] |=
                        (code >> 4) << (more * (step % shared * 2 + isHigh))
                }
            }
        }
    }

    deinit { tiles.deallocate() }

    /// The scale and the minimum of a row's group; of 4-bit floats, those of twice their values plus 12.
    func scaling(_ n: Int, _ g: Int) -> (scale: Double, minimum: Double) {
        let at = n * groups + g, half = Double(halves[at])
        switch format.kind {
        case TSR_ZERO_POINTS: return (half, half * Double(minimums[at]))
        case TSR_BIASES: return (half, -Double(biases[at]))
        case TSR_MXFP4, TSR_NVFP4:
            let one = Double(scale(scales[at], format.kind)) * Double(d[n]) / Double(dm[n]) / 2
            return (one, 12 * one)
        default: return (Double(d[n]) * Double(scales[at]), Double(dm[n]) * Double(minimums[at]))
        }
    }

    /// What the scale multiplies.
    func whole(_ index: Int) -> Int {
        format.isFloat4 ? Int(2 * float4[Int(codes[index])]) + 12 : Int(codes[index])
    }

    /// What a row reads as, each operation rounded.
    func row(_ n: Int) -> [Float] {
        (0..<columns).map { k in
            let at = n * groups + k / format.group, code = codes[n * columns + k]
            switch format.kind {
            case TSR_ZERO_POINTS: return Float(halves[at]) * Float(Int(code) - Int(minimums[at]))
            case TSR_BIASES:
                let scaled = Float(halves[at]) * Float(code)
                return scaled + Float(biases[at])
            case TSR_MXFP4, TSR_NVFP4:
                let product = scale(scales[at], format.kind) * d[n]
                let own = product / dm[n]
                return float4[Int(code)] * own
            default:
                let s = d[n] * Float(scales[at]), m = dm[n] * Float(minimums[at])
                let scaled = s * Float(code)
                return scaled - m
            }
        }
    }

    var packed: tsr_packed {
        tsr_packed(
            tiles: tiles.baseAddress?.assumingMemoryBound(to: UInt8.self), rows: rows, columns: columns,
            bits: UInt32(format.bits), group: UInt32(format.group), scales: format.kind)
    }

    var tileCount: Int { (rows + 15) / 16 }
}

private struct Activations: Equatable {
    var tokens: Int, groups: Int, pitch: Int
    var codes: [Int8], scales: [Float], sums: [Float]

    init(_ x: [Float], tokens: Int, columns: Int, group: Int, isa: tsr_isa = TSR_ISA_SCALAR) {
        self.tokens = tokens
        groups = (columns + group - 1) / group
        pitch = groups * group
        codes = Array(repeating: 99, count: tokens * pitch)
        scales = Array(repeating: -1, count: tokens * groups)
        sums = scales
        tsr_quantize_rows_with(isa, x, columns, tokens, columns, UInt32(group), &codes, &scales, &sums)
    }
}

private func product(
    _ isa: tsr_isa, _ matrix: Matrix, tiles: Range<Int>? = nil, _ x: Activations, tokens: Range<Int>? = nil,
    bias: [Float]?, into y: inout [Float]
) {
    var packed = matrix.packed
    let tiles = tiles ?? 0..<matrix.tileCount, tokens = tokens ?? 0..<x.tokens
    x.codes.withUnsafeBufferPointer { codes in
        x.scales.withUnsafeBufferPointer { scales in
            x.sums.withUnsafeBufferPointer { sums in
                var activations = tsr_activations(
                    codes: codes.baseAddress, scales: scales.baseAddress, sums: sums.baseAddress,
                    tokens: x.tokens,
                    padded_columns: x.pitch, groups: x.groups)
                if let bias {
                    tsr_packed_product_with(
                        isa, &packed, tiles.lowerBound, tiles.upperBound, &activations, tokens.lowerBound,
                        tokens.upperBound, bias, &y, matrix.rows)
                } else {
                    tsr_packed_product_with(
                        isa, &packed, tiles.lowerBound, tiles.upperBound, &activations, tokens.lowerBound,
                        tokens.upperBound, nil, &y, matrix.rows)
                }
            }
        }
    }
}

private func product(_ isa: tsr_isa, _ matrix: Matrix, _ x: Activations, bias: [Float]?) -> [Float] {
    var y = [Float](repeating: .nan, count: x.tokens * matrix.rows)
    product(isa, matrix, x, bias: bias, into: &y)
    return y
}

/// Equality of these means equality of every bit.
private func floats(_ count: Int, _ random: inout Random) -> [Float] {
    (0..<count).map { _ in .random(in: -2...2, using: &random) }
}

@Suite struct PackedKernelTests {
    /// An element is a chain of one fused operation per group for each of its two sums, before it one per group of
    /// activations, with one rounding before and two after, and the bias: |error| ≤ (all groups + 4)·2⁻²⁴ · Σ |terms|, to
    /// first order, and what denormal numbers lack.
    private func check(_ matrix: Matrix, _ x: Activations, bias: [Float]?, _ isa: tsr_isa) {
        let y = product(isa, matrix, x, bias: bias)
        let (group, together) = (matrix.format.group, matrix.format.activations)
        for t in 0..<x.tokens {
            for n in 0..<matrix.rows {
                var value = Double(bias?[n] ?? 0), size = abs(value)
                for h in 0..<x.groups {
                    var dot = 0
                    for k in h * together..<min((h + 1) * together, matrix.columns) {
                        dot += matrix.whole(n * matrix.columns + k) * Int(x.codes[t * x.pitch + k])
                    }
                    let side = t * x.groups + h, factors = matrix.scaling(n, h * together / group)
                    let scaled = factors.scale * Double(x.scales[side]) * Double(dot)
                    let minimum = factors.minimum * Double(x.sums[side])
                    value += scaled - minimum
                    size += abs(scaled) + abs(minimum)
                }
                let bound = 1.001 * Double(matrix.groups + x.groups + 4) * 0x1p-24 * size + 0x1p-140
                let error = abs(Double(y[t * matrix.rows + n]) - value)
                if !(error <= bound) {
                    Issue.record("\(matrix.format), row \(n), token \(t): off by \(error), allowed \(bound)")
                    return
                }
            }
        }
    }

    @Test(arguments: available, formats)
    fileprivate func agreesWithTheDefinition(isa: tsr_isa, format: Format) {
        var random = Random(state: 1)
        for (rows, columns, tokens) in [
            (1, 4, 1), (15, 31, 2), (17, 33, 3), (50, 1176, 7), (17, 31, 13), (50, 33, 33), (33, 3420, 2),
            (16, 512, 6),
        ] {
            let matrix = Matrix(rows: rows, columns: columns, format: format, random: &random)
            let x = Activations(
                floats(tokens * columns, &random), tokens: tokens, columns: columns, group: format.activations
            )
            check(matrix, x, bias: nil, isa)
            check(matrix, x, bias: floats(rows, &random), isa)
        }
    }

    @Test(arguments: formats)
    fileprivate func everyInstructionSetGivesTheSameBits(format: Format) {
        var random = Random(state: 2)
        for (rows, columns) in [(17, 33), (50, 1176), (80, 257)] {
            let matrix = Matrix(rows: rows, columns: columns, format: format, random: &random)
            let bias = floats(rows, &random)
            for tokens in [1, 4, 7, 33] {
                let x = Activations(
                    floats(tokens * columns, &random), tokens: tokens, columns: columns,
                    group: format.activations)
                let expected = bits(product(TSR_ISA_SCALAR, matrix, x, bias: bias))
                for isa in available { #expect(bits(product(isa, matrix, x, bias: bias)) == expected) }
            }
        }
    }

    @Test(arguments: available, formats)
    fileprivate func anyPartitionGivesTheSameBits(isa: tsr_isa, format: Format) {
        var random = Random(state: 3)
        let matrix = Matrix(rows: 90, columns: 300, format: format, random: &random)
        let x = Activations(floats(13 * 300, &random), tokens: 13, columns: 300, group: format.activations)
        let bias = floats(90, &random)
        let whole = bits(product(isa, matrix, x, bias: bias))
        for (tileStep, tokenStep) in [(1, 1), (1, 13), (2, 3), (3, 5), (6, 1), (5, 7)] {
            var y = [Float](repeating: .nan, count: 13 * 90)
            for tile in stride(from: 0, to: matrix.tileCount, by: tileStep) {
                for token in stride(from: 0, to: 13, by: tokenStep) {
                    product(
                        isa, matrix, tiles: tile..<min(tile + tileStep, matrix.tileCount), x,
                        tokens: token..<min(token + tokenStep, 13), bias: bias, into: &y)
                }
            }
            #expect(bits(y) == whole)
        }
    }

    @Test(arguments: available, formats)
    fileprivate func extremeCodesDoNotSaturate(isa: tsr_isa, format: Format) {
        var random = Random(state: 4)
        let columns = 4 * format.group
        // Of 4-bit floats 7 is the largest, 15 the smallest.
        for code in [UInt8(0), 127, 128, 255] {
            let code = code >> (8 - format.bits)
            let matrix = Matrix(rows: 18, columns: columns, format: format, random: &random) { _ in code }
            for signs in [[Float](arrayLiteral: 1), [-1], [1, -1], [1, 1, -1, -1]] {
                let values = (0..<7 * columns).map { 3 * signs[$0 % signs.count] }
                let x = Activations(values, tokens: 7, columns: columns, group: format.activations)
                #expect(x.codes.allSatisfy { abs($0) == 127 })
                check(matrix, x, bias: nil, isa)
            }
        }
    }

    @Test(arguments: available)
    func quantizesByTheDefinition(isa: tsr_isa) {
        var random = Random(state: 5)
        for (columns, group) in [
            (4, 16), (31, 32), (33, 4), (1176, 128), (257, 64), (48, 16), (100, 8), (1000, 512),
        ] {
            let tokens = 3
            var values = floats(tokens * columns, &random)
            for k in 0..<min(group, columns) { values[columns + k] = 0 }
            values[0] = 0x1p-140
            let x = Activations(values, tokens: tokens, columns: columns, group: group, isa: isa)
            for t in 0..<tokens {
                for g in 0..<x.groups {
                    let members = values[
                        t * columns + g * group..<t * columns + min((g + 1) * group, columns)]
                    let scale = members.reduce(0) { max($0, abs($1)) } / 127
                    var expected = members.map {
                        scale > 0 ? Int8(($0 / scale).rounded(.toNearestOrEven)) : 0
                    }
                    expected += Array(repeating: 0, count: group - members.count)
                    let at = t * x.groups + g
                    #expect(x.scales[at] == scale)
                    #expect(
                        Array(x.codes[t * x.pitch + g * group..<t * x.pitch + (g + 1) * group]) == expected)
                    #expect(x.sums[at] == scale * Float(expected.reduce(0) { $0 + Int($1) }))
                }
            }
        }
    }

    @Test(arguments: available)
    func quantizesOddValues(isa: tsr_isa) {
        let tiny = Float.leastNonzeroMagnitude
        let rows: [[Float]] = [
            [190 * tiny, -190 * tiny, tiny, 0], [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, 0],
            [0.5, 1.5, -2.5, 127], [-0.0, 0, -0.0, 0],
        ]
        for row in rows {
            let x = Activations(row, tokens: 1, columns: 4, group: 16, isa: isa)
            #expect(x == Activations(row, tokens: 1, columns: 4, group: 16))
            #expect(x.codes.allSatisfy { $0 >= -127 })
            // A whole group of 32 of them.
            let whole = (0..<8).flatMap { _ in row }
            let y = Activations(whole, tokens: 1, columns: 32, group: 32, isa: isa)
            #expect(y == Activations(whole, tokens: 1, columns: 32, group: 32))
            #expect(y.scales == x.scales && y.codes == (0..<8).flatMap { _ in x.codes[0..<4] })
        }
        for odd in [Float.infinity, -.infinity, .nan] {
            for place in [0, 13, 31] {
                var row = (0..<32).map { Float($0) - 9 }
                row[place] = odd
                let x = Activations(row, tokens: 1, columns: 32, group: 32, isa: isa)
                #expect(!x.scales[0].isFinite && x.sums[0].isNaN && x.codes.allSatisfy { $0 == 0 })
            }
            let x = Activations([1, odd, 2, 3, 5], tokens: 1, columns: 5, group: 4, isa: isa)
            #expect(!x.scales[0].isFinite && x.sums[0].isNaN && x.codes[0..<4].allSatisfy { $0 == 0 })
            #expect(x.scales[1] == 5 / Float(127) && x.codes[4] == 127)
        }
    }

    @Test(arguments: formats)
    fileprivate func unpacksRows(format: Format) {
        var random = Random(state: 6)
        let matrix = Matrix(rows: 35, columns: 333, format: format, random: &random)
        var packed = matrix.packed
        for n in [0, 15, 16, 34] {
            var row = [Float](repeating: .nan, count: 333)
            tsr_packed_row(&packed, n, &row)
            // Negative zeros, too.
            #expect(bits(row) == bits(matrix.row(n)))
        }
    }

    @Test func everyByteIsAScale() {
        for kind in [TSR_MXFP4, TSR_NVFP4] {
            for byte in UInt8.min...UInt8.max {
                for (d, v) in [(Float(1), Float(1)), (0.3, -7), (1, 3)] {
                    let product = scale(byte, kind) * d
                    let (own, seen) = (product / v, tsr_float4_scale(kind, byte, d, v))
                    #expect(own == seen || own.isNaN && seen.isNaN, "\(byte)")
                }
            }
        }
    }

    /// A scale that is no number gives no number, on any instruction set.
    @Test(arguments: available, [0x7F, 0xFF] as [UInt8])
    func scalesThatAreNoNumbers(isa: tsr_isa, bad: UInt8) {
        var random = Random(state: 8)
        let format = Format(bits: 4, group: 16, kind: TSR_NVFP4)
        let matrix = Matrix(rows: 20, columns: 100, format: format, random: &random)
        let x = Activations(floats(5 * 100, &random), tokens: 5, columns: 100, group: format.activations)
        let before = product(isa, matrix, x, bias: nil)
        matrix.tiles[128 + 16 + 3] = bad
        let after = product(isa, matrix, x, bias: nil)
        for t in 0..<5 {
            for n in 0..<20 {
                let (old, new) = (before[t * 20 + n], after[t * 20 + n])
                #expect(n == 3 ? !new.isFinite : new == old)
            }
        }
    }

    @Test(arguments: formats)
    fileprivate func tileBytes(format: Format) {
        var random = Random(state: 7)
        for columns in [4, 31, 1176] {
            let matrix = Matrix(rows: 16, columns: columns, format: format, random: &random)
            #expect(
                tsr_packed_tile_bytes(columns, UInt32(format.bits), UInt32(format.group), format.kind)
                    == matrix.tiles.count)
        }
        #expect(tsr_packed_tile_bytes(1536, 4, 32, TSR_ROW_FACTORS) == 128 + 1536 + 12288)
        #expect(tsr_packed_tile_bytes(1536, 4, 128, TSR_ZERO_POINTS) == 576 + 12288)
        #expect(tsr_packed_tile_bytes(1536, 4, 64, TSR_BIASES) == 1536 + 12288)
        #expect(tsr_packed_tile_bytes(1536, 4, 32, TSR_MXFP4) == 128 + 768 + 12288)
        #expect(tsr_packed_tile_bytes(1536, 4, 16, TSR_NVFP4) == 128 + 1536 + 12288)
    }
}
