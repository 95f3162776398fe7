internal import GroupFormats
internal import Storage

/// Consecutive rows of a matrix as tiles, filled part by part: parts need not end where tiles do.
struct TileRows {
    private let geometry: GroupGeometry
    private let tiles: UnsafeMutableRawBufferPointer
    private let rows: Int

    private static let size = GroupGeometry.tileRows

    /// Tiles for `rows` rows, the first of which begins a tile. What no part fills, such as a last tile beyond them, stays.
    init(_ geometry: GroupGeometry, _ tiles: UnsafeMutableRawBufferPointer, rows: Int) {
        precondition(tiles.count == (rows + Self.size - 1) / Self.size * geometry.tileBytes)
        (self.geometry, self.tiles, self.rows) = (geometry, tiles, rows)
    }

    /// Fills rows.
    /// - Parameter body: writes tiles of these rows, the first of which begins one.
    func fill<Result>(
        _ part: Range<Int>, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let count = (part.count + Self.size - 1) / Self.size
        let ends = part.upperBound % Self.size == 0 || part.upperBound == rows
        if part.lowerBound % Self.size == 0, ends {
            let first = part.lowerBound / Self.size * geometry.tileBytes
            return try body(
                UnsafeMutableRawBufferPointer(rebasing: tiles[first..<first + count * geometry.tileBytes]))
        }
        let own = UnsafeMutableRawBufferPointer.allocate(
            byteCount: count * geometry.tileBytes, alignment: 64)
        defer { own.deallocate() }
        let result = try body(own)
        move(UnsafeRawBufferPointer(own), to: part)
        return result
    }

    /// Takes the rows of other tiles to where they belong, beside what the tiles there hold of other parts.
    private func move(_ own: UnsafeRawBufferPointer, to part: Range<Int>) {
        var source = (number: -1, tile: GroupTile(geometry))
        for number in part.lowerBound / Self.size...(part.upperBound - 1) / Self.size {
            let first = number * Self.size
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: tiles[number * geometry.tileBytes..<(number + 1) * geometry.tileBytes])
            var target = GroupTile(unpacking: UnsafeRawBufferPointer(bytes), geometry)
            for row in part.clamped(to: first..<first + Self.size) {
                let (tile, within) = (row - part.lowerBound).quotientAndRemainder(dividingBy: Self.size)
                if source.number != tile {
                    let start = tile * geometry.tileBytes
                    source = (
                        tile,
                        GroupTile(
                            unpacking: UnsafeRawBufferPointer(
                                rebasing: own[start..<start + geometry.tileBytes]), geometry)
                    )
                }
                target.replace(row - first, by: within, of: source.tile)
            }
            target.pack(into: bytes)
        }
    }
}

extension GroupTile {
    /// Takes a row over from another tile of the matrix.
    fileprivate mutating func replace(_ row: Int, by other: Int, of tile: GroupTile) {
        let rows = GroupGeometry.tileRows
        d[row] = tile.d[other]
        dm[row] = tile.dm[other]
        for group in 0..<geometry.groupCount {
            scales[group * rows + row] = tile.scales[group * rows + other]
            minimums[group * rows + row] = tile.minimums[group * rows + other]
        }
        for place in 0..<codes.count / rows {
            codes[place * rows + row] = tile.codes[place * rows + other]
        }
    }
}
