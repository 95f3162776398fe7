import GroupFormats
import Storage
import Testing

/// The parts of a tile of published codes, different everywhere, and what they stand for by the text of `formats/bundle.md`.
private struct Parts {
    let geometry: PublishedGeometry
    var codes: [UInt8]
    var halves: [Float16]
    var biases: [Float16]
    var bytes: [UInt8]
    var factors: [Float] = [], divisors: [Float] = []

    init(_ encoding: TensorEncoding, columns: Int) throws {
        geometry = try #require(Shape.matrix(16, columns).flatMap { PublishedGeometry(encoding, $0) })
        let sides = geometry.groupCount * 16, limit = 1 << geometry.format.bits.rawValue
        codes = (0..<geometry.paddedColumns * 16).map { index in
            index < columns * 16 ? UInt8((index &* 2_654_435_761 >> 7) % limit) : 0
        }
        halves = (0..<sides).map { Float16($0 % 37 - 18) * ($0 % 3 == 0 ? 0x1p-20 : 0.37) }
        biases = (0..<sides).map { Float16($0 % 23 - 11) * 0.31 }
        // No NaN of either scale among them, and no power of two that a factor makes infinite.
        bytes = (0..<sides).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) & 0xFE }
        if encoding == .float4(.mxfp4) { bytes = bytes.map { $0 < 0xF8 ? $0 : 0xFF - $0 } }
        for row in 0..<16 {
            factors.append(row % 3 == 0 ? 1 : 0.3 + Float(row))
            divisors.append(row % 2 == 0 ? 1 : -1.7 * Float(row))
        }
    }

    var tile: [UInt8] {
        var tile = [UInt8](repeating: 0xAA, count: geometry.tileBytes)
        tile.withUnsafeMutableBytes { tile in
            codes.withUnsafeBufferPointer { codes in
                switch geometry.encoding {
                case .zeroPoints:
                    halves.withUnsafeBufferPointer { scales in
                        bytes.withUnsafeBufferPointer {
                            geometry.pack(codes: codes, scales: scales, zeros: $0, into: tile)
                        }
                    }
                case .affine:
                    halves.withUnsafeBufferPointer { scales in
                        biases.withUnsafeBufferPointer {
                            geometry.pack(codes: codes, scales: scales, biases: $0, into: tile)
                        }
                    }
                default:
                    bytes.withUnsafeBufferPointer { scales in
                        factors.withUnsafeBufferPointer { factors in
                            divisors.withUnsafeBufferPointer {
                                geometry.pack(
                                    codes: codes, scales: scales, factors: factors, divisors: $0, into: tile)
                            }
                        }
                    }
                }
            }
        }
        return tile
    }

    func value(_ row: Int, _ k: Int) -> Float {
        let side = k / geometry.format.groupSize * 16 + row, code = codes[k * 16 + row]
        switch geometry.encoding {
        case .zeroPoints: return Float(halves[side]) * Float(Int(code) - Int(bytes[side]))
        case .affine:
            let product = Float(halves[side]) * Float(code)
            return product + Float(biases[side])
        default:
            let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
            let magnitude = magnitudes[Int(code & 7)]
            let product = scale(bytes[side]) * factors[row]
            let scale = product / divisors[row]
            return (code < 8 ? magnitude : -magnitude) * scale
        }
    }

    private func scale(_ byte: UInt8) -> Float {
        if geometry.encoding == .float4(.mxfp4) {
            return Float(sign: .plus, exponent: Int(byte) - 127, significand: 1)
        }
        let (exponent, fraction) = (Int(byte >> 3 & 15), Float(byte & 7) / 8)
        let magnitude: Float =
            exponent == 0
            ? fraction * 0x1p-6 : Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction)
        return byte < 128 ? magnitude : -magnitude
    }
}

@Suite struct PublishedGeometryTests {
    private static let encodings =
        GroupFormat.all.flatMap { [TensorEncoding.zeroPoints($0), .affine($0)] }
        + Float4Format.allCases.map { .float4($0) }

    @Test(arguments: encodings, [1, 31, 33, 260])
    func readsBackWhatWasPacked(encoding: TensorEncoding, columns: Int) throws {
        let parts = try Parts(encoding, columns: columns)
        let tile = parts.tile
        for row in 0..<16 {
            var floats = [Float](repeating: .nan, count: columns)
            tile.withUnsafeBytes { tile in
                floats.withUnsafeMutableBufferPointer { parts.geometry.read(row: row, of: tile, into: $0) }
            }
            let expected = (0..<columns).map { parts.value(row, $0).bitPattern }
            #expect(floats.map(\.bitPattern) == expected, "row \(row)")
        }
    }

    /// Every part of the table, and zeros behind it.
    @Test(arguments: encodings)
    func placesTheTableAsSpecified(encoding: TensorEncoding) throws {
        let parts = try Parts(encoding, columns: 3 * 128 - 1)
        let (tile, groups) = (parts.tile, parts.geometry.groupCount)
        func half(_ at: Int) -> Float16 { Float16(bitPattern: UInt16(tile[at]) | UInt16(tile[at + 1]) << 8) }
        func single(_ at: Int) -> Float {
            tile.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: Float.self) }
        }
        var end = 0
        for side in 0..<groups * 16 {
            let (group, row) = side.quotientAndRemainder(dividingBy: 16)
            switch encoding {
            case .zeroPoints:
                #expect(half(48 * group + 2 * row) == parts.halves[side])
                #expect(tile[48 * group + 32 + row] == parts.bytes[side])
                end = 48 * groups
            case .affine:
                #expect(half(64 * group + 2 * row) == parts.halves[side])
                #expect(half(64 * group + 32 + 2 * row) == parts.biases[side])
                end = 64 * groups
            default:
                #expect(single(4 * row) == parts.factors[row] && single(64 + 4 * row) == parts.divisors[row])
                #expect(tile[128 + 16 * group + row] == parts.bytes[side])
                end = 128 + 16 * groups
            }
        }
        let codes = (end + 63) / 64 * 64
        #expect(tile[end..<codes].allSatisfy { $0 == 0 })
        #expect(tile.count == codes + parts.geometry.paddedColumns * 2 * parts.geometry.format.bits.rawValue)
    }

    /// Two tiles of 19 rows, of which one number is changed.
    private func firstBad(
        _ encoding: TensorEncoding, _ offset: Int, _ bytes: [UInt8], from first: Int = 0
    ) throws -> String? {
        let parts = try Parts(encoding, columns: 100)
        let rows = first + 19
        let geometry = try #require(Shape.matrix(rows, 100).flatMap { PublishedGeometry(encoding, $0) })
        var tiles = parts.tile + parts.tile
        tiles.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return tiles.withUnsafeBytes { geometry.firstBadScale(in: $0, from: first)?.description }
    }

    @Test func findsWhatIsNoNumber() throws {
        let four = try #require(GroupFormat(.four, groupSize: 32))
        for encoding in Self.encodings { #expect(try firstBad(encoding, 0, []) == nil) }
        let (zero, affine) = (TensorEncoding.zeroPoints(four), TensorEncoding.affine(four))
        #expect(try firstBad(zero, 48 + 6, [0, 0x7C]) == "the scale of row 3, group 1, is inf")
        #expect(try firstBad(affine, 64 + 6, [0, 0xFC], from: 32) == "the scale of row 35, group 1, is -inf")
        #expect(try firstBad(affine, 128 + 32 + 4, [0, 0x7E]) == "the bias of row 2, group 2, is nan")
        for (format, byte) in [(Float4Format.mxfp4, UInt8(255)), (.nvfp4, 127), (.nvfp4, 255)] {
            #expect(
                try firstBad(.float4(format), 128 + 32 + 5, [byte]) == "the scale of row 5, group 2, is nan")
        }
        // The factor and the divisor of row 2.
        let float4 = TensorEncoding.float4(.nvfp4)
        #expect(try firstBad(float4, 8, [0, 0, 0xC0, 0x7F]) == "the scale of row 2, group 0, is nan")
        #expect(try firstBad(float4, 64 + 8, [0, 0, 0, 0])?.hasPrefix("the scale of row 2, group ") == true)
        // Nobody reads what lies behind the last row.
        let tileBytes = try Parts(float4, columns: 100).geometry.tileBytes
        #expect(try firstBad(float4, tileBytes + 12, [0, 0, 0xC0, 0x7F]) == nil)
        #expect(
            try firstBad(float4, tileBytes + 8, [0, 0, 0xC0, 0x7F]) == "the scale of row 18, group 0, is nan")
    }

    @Test func onlyPublishedCodesHaveSuchTiles() throws {
        let shape = try #require(Shape.matrix(16, 64))
        for name in ["F32", "int4-g32", "int6-g64+4096:int4-g32"] {
            #expect(PublishedGeometry(try #require(TensorEncoding(name)), shape) == nil)
        }
        for extents in [[7], [0, 4], [1, Int.max], [1 << 62, 1]] {
            let shape = try #require(Shape(checking: extents))
            for encoding in Self.encodings { #expect(PublishedGeometry(encoding, shape) == nil) }
        }
    }
}
