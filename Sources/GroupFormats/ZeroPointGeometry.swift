internal import CKernels
public import Storage

/// Where the parts of a matrix lie whose groups have a float16 scale and a whole zero point each.
///
/// `w[n, k] = s[n, k / G] · (q[n, k] − z[n, k / G])`, exact in float32. Tiles, rows and codes are those of `GroupGeometry`;
/// instead of row factors and 8-bit scales a tile begins with a table of 16 scales and 16 zero points a group, padded to 64.
public struct ZeroPointGeometry: Hashable, Sendable {
    /// The codes' bits and the group's size.
    public let format: GroupFormat
    /// N.
    public let rows: Int
    /// K.
    public let columns: Int
    /// Groups a row has; the last may be short of columns.
    public let groupCount: Int
    /// Tiles of 16 rows; the last may be short of rows.
    public let tileCount: Int
    /// Bytes of one tile; a multiple of 64.
    public let tileBytes: Int
    /// Bytes of the whole matrix.
    public let byteCount: Int

    /// Bytes of the scales and zero points of a group of a tile.
    private static let entryBytes = 3 * GroupGeometry.tileRows

    /// Nil when `shape` is no matrix, is empty, or its size overflows, or the codes have neither 4 nor 8 bits.
    public init?(_ format: GroupFormat, _ shape: Shape) {
        guard format.bits.isPublished, let codes = GroupGeometry(format, shape) else { return nil }
        self.format = format
        (rows, columns) = (codes.rows, codes.columns)
        (groupCount, tileCount) = (codes.groupCount, codes.tileCount)
        tileBytes = (Self.entryBytes * groupCount + 63) / 64 * 64 + groupCount * codes.groupBytes
        let (bytes, overflow) = tileCount.multipliedReportingOverflow(by: tileBytes)
        guard !overflow else { return nil }
        byteCount = bytes
    }

    /// K, padded to whole groups.
    public var paddedColumns: Int { groupCount * format.groupSize }

    /// Tiles that so many rows take.
    public func tileCount(rows: Int) -> Int { (rows + GroupGeometry.tileRows - 1) / GroupGeometry.tileRows }

    /// Writes a tile, padding included, from its parts: `scales` and `zeros` by group, then row; `codes` by padded column, then
    /// row. Codes must be below 2^bits, and those of padded columns 0.
    /// - Precondition: the buffers have these sizes, and `tile` is `tileBytes` long.
    public func pack(
        codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<Float16>,
        zeros: UnsafeBufferPointer<UInt8>, into tile: UnsafeMutableRawBufferPointer
    ) {
        let sides = groupCount * GroupGeometry.tileRows
        precondition(codes.count == sides * format.groupSize && tile.count == tileBytes)
        precondition(scales.count == sides && zeros.count == sides)
        var kernelFormat = tsr_fit_format(
            columns: columns, bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize))
        scales.withMemoryRebound(to: UInt16.self) { scales in
            var parts = tsr_zero_point_parts(
                scales: scales.baseAddress, zeros: zeros.baseAddress, codes: codes.baseAddress)
            tsr_zero_point_pack(&kernelFormat, &parts, tile.baseAddress)
        }
    }

    /// Reads row `row` of a matrix of such tiles as `columns` floats.
    /// - Precondition: `matrix` is whole tiles, `row` lies within them, `out` is `columns` long.
    public func read(row: Int, of matrix: UnsafeRawBufferPointer, into out: UnsafeMutableBufferPointer<Float>)
    {
        precondition(row >= 0 && row / GroupGeometry.tileRows < matrix.count / tileBytes)
        precondition(out.count == columns)
        var packed = tsr_packed(
            tiles: matrix.baseAddress?.assumingMemoryBound(to: UInt8.self), rows: rows, columns: columns,
            bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize), scales: TSR_ZERO_POINTS)
        tsr_packed_row(&packed, row, out.baseAddress)
    }

    /// The first scale within whole tiles that is NaN or infinite, if any, by its row and group.
    public func firstBadScale(in tiles: UnsafeRawBufferPointer) -> (row: Int, group: Int, scale: Float16)? {
        for tile in 0..<tiles.count / tileBytes {
            for group in 0..<groupCount {
                for row in 0..<GroupGeometry.tileRows {
                    let scale = tiles.loadUnaligned(
                        fromByteOffset: tile * tileBytes + group * Self.entryBytes + 2 * row, as: Float16.self
                    )
                    if !scale.isFinite { return (tile * GroupGeometry.tileRows + row, group, scale) }
                }
            }
        }
        return nil
    }
}
