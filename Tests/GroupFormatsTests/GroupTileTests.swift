import GroupFormats
import Storage
import Testing

/// A tile with different values everywhere that it may have them.
private func makeTile(_ geometry: GroupGeometry) -> GroupTile {
    var tile = GroupTile(geometry)
    for row in 0..<16 {
        tile.d[row] = 0.25 + Float(row)
        tile.dm[row] = row % 3 == 0 ? -1.5 : Float(row) / 8
    }
    for index in tile.scales.indices {
        tile.scales[index] = UInt8(truncatingIfNeeded: index &* 31 &+ 7)
        tile.minimums[index] = UInt8(truncatingIfNeeded: index &* 57 &+ 3)
    }
    let limit = 1 << geometry.format.bits.rawValue
    for index in 0..<geometry.columns * 16 {
        tile.codes[index] = UInt8((index &* 2_654_435_761 >> 7) % limit)
    }
    return tile
}

private func pack(_ tile: GroupTile) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: tile.geometry.tileBytes)
    bytes.withUnsafeMutableBytes { tile.pack(into: $0) }
    return bytes
}

/// The code of a row and column within the codes of a group, by the text of `formats/bundle.md`.
private func codeAsSpecified(_ codes: [UInt8], _ format: GroupFormat, _ row: Int, _ k: Int) -> UInt8 {
    let (half, upper) = (format.groupSize / 2, format.bits.rawValue - 4)
    if format.bits == .eight { return codes[k / 4 * 64 + row * 4 + k % 4] }
    let (place, isHigh) = (k % half, k / half)
    let (step, byte) = (place / 4, row * 4 + place % 4)
    let nibble = codes[step * 64 + byte] >> (4 * isHigh) & 15
    guard upper > 0 else { return nibble }
    let served = 4 / upper
    let bits = codes[(format.groupSize / 8 + step / served) * 64 + byte]
    return nibble | (bits >> (upper * (2 * (step % served) + isHigh)) & (1 << upper - 1)) << 4
}

@Suite struct GroupTileTests {
    @Test(arguments: GroupFormat.all, [1, 4, 31, 33, 128, 3420])
    func unpacksWhatItPacks(format: GroupFormat, columns: Int) throws {
        let geometry = try #require(Shape.matrix(16, columns).flatMap { GroupGeometry(format, $0) })
        let tile = makeTile(geometry)
        let bytes = pack(tile)
        #expect(bytes.withUnsafeBytes { GroupTile(unpacking: $0, geometry) } == tile)
    }

    @Test(arguments: GroupFormat.all)
    func placesEveryPartAsSpecified(format: GroupFormat) throws {
        let geometry = try #require(Shape.matrix(16, 300).flatMap { GroupGeometry(format, $0) })
        let (tile, size) = (makeTile(geometry), format.groupSize)
        let bytes = pack(tile)
        for row in 0..<16 {
            #expect(bytes.withUnsafeBytes { $0.load(fromByteOffset: 4 * row, as: Float.self) } == tile.d[row])
            #expect(
                bytes.withUnsafeBytes { $0.load(fromByteOffset: 64 + 4 * row, as: Float.self) }
                    == tile.dm[row])
            for group in 0..<geometry.groupCount {
                let scale = geometry.scaleOffset(group: group) + row
                #expect(bytes[scale] == tile.scales[group * 16 + row])
                #expect(bytes[scale + 16] == tile.minimums[group * 16 + row])
            }
            for k in 0..<geometry.groupCount * size {
                let (group, within) = k.quotientAndRemainder(dividingBy: size)
                let codes = Array(bytes[geometry.codeOffset(group: group)...].prefix(geometry.groupBytes))
                #expect(codeAsSpecified(codes, format, row, within) == tile.codes[k * 16 + row])
            }
        }
        let tableEnd = geometry.scaleOffset(group: geometry.groupCount)
        #expect(bytes[tableEnd..<geometry.codeOffset(group: 0)].allSatisfy { $0 == 0 })
    }

    @Test(arguments: [1, 15, 17], [4, 33])
    func readsRowsAsTheFormulaSays(rows: Int, columns: Int) throws {
        let format = try #require(GroupFormat(.four, groupSize: 32))
        let geometry = try #require(Shape.matrix(rows, columns).flatMap { GroupGeometry(format, $0) })
        let tile = makeTile(geometry)
        let matrix = [[UInt8]](repeating: pack(tile), count: geometry.tileCount).flatMap { $0 }
        for row in 0..<rows {
            var values = [Float](repeating: .nan, count: columns)
            values.withUnsafeMutableBufferPointer { values in
                matrix.withUnsafeBytes { geometry.read(row: row, of: $0, into: values) }
            }
            let r = row % 16
            for k in 0..<columns {
                let scale = tile.d[r] * Float(tile.scales[k / 32 * 16 + r])
                let minimum = tile.dm[r] * Float(tile.minimums[k / 32 * 16 + r])
                #expect(values[k] == scale * Float(tile.codes[k * 16 + r]) - minimum)
            }
        }
    }

    @Test func countsBitsPaddingIncluded() throws {
        let encoding = try #require(TensorEncoding.groups(bits: .four, groupSize: 32))
        // 48 groups of 2 bytes and 16 of codes, 8 bytes of factors, in a row of 1536.
        #expect(encoding.effectiveBits(try #require(.matrix(16, 1536))) == 4.5 + 64.0 / 1536)
        #expect(encoding.effectiveBits(try #require(.matrix(1, 1536))) == 16 * (4.5 + 64.0 / 1536))
        #expect(TensorEncoding.float(.bfloat16).effectiveBits(try #require(.matrix(3, 5))) == 16)
        #expect(encoding.effectiveBits(try #require(Shape(checking: [7]))) == nil)
    }
}

@Suite struct DistortionTests {
    @Test func measuresRows() {
        let distortion = Distortion([3, 4, 0, 0, 1], [3, 4.5, 0, 0, 2], groupSize: 4)
        #expect(distortion.squaredError == 1.25)
        #expect(distortion.energy == 26)
        #expect(distortion.worstGroup == 1)
        #expect(distortion.relative == (1.25 / 26.0).squareRoot())
        #expect(abs(distortion.decibels - 13.1806) < 1e-3)
    }

    @Test func nothingLostIsInfinitelyFar() {
        #expect(Distortion([1, 2], [1, 2], groupSize: 2).decibels == .infinity)
        #expect(Distortion().relative == 0)
    }
}
