public import CKernels

/// Sixteen rows of group codes, taken apart: what solvers choose and tiles hold.
///
/// `w[row, k] = d[row] · scale[row, k / G] · code[row, k] − dm[row] · minimum[row, k / G]`
public struct GroupTile: Equatable, Sendable {
    /// Of the matrix that it is a tile of.
    public let geometry: GroupGeometry
    /// The factor of each row's scales; 16.
    public var d: [Float]
    /// The factor of each row's minimums; 16.
    public var dm: [Float]
    /// By group, then row.
    public var scales: [UInt8]
    /// By group, then row.
    public var minimums: [UInt8]
    /// By column, padded to whole groups, then row.
    public var codes: [UInt8]

    /// All zero.
    public init(_ geometry: GroupGeometry) {
        let rows = GroupGeometry.tileRows
        self.geometry = geometry
        d = Array(repeating: 0, count: rows)
        dm = d
        scales = Array(repeating: 0, count: geometry.groupCount * rows)
        minimums = scales
        codes = Array(repeating: 0, count: geometry.groupCount * geometry.format.groupSize * rows)
    }

    /// Takes a tile's bytes apart.
    /// - Precondition: `bytes` is `geometry.tileBytes` long.
    public init(unpacking bytes: UnsafeRawBufferPointer, _ geometry: GroupGeometry) {
        precondition(bytes.count == geometry.tileBytes)
        self.init(geometry)
        var format = geometry.kernelFormat
        withParts { parts in tsr_fit_unpack(&format, bytes.baseAddress, &parts) }
    }

    /// Writes the tile's bytes, padding included. Codes must be below 2^bits, and those of padded columns 0.
    /// - Precondition: `bytes` is `geometry.tileBytes` long.
    public func pack(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == geometry.tileBytes)
        var format = geometry.kernelFormat
        var tile = self
        tile.withParts { parts in tsr_fit_pack(&format, &parts, bytes.baseAddress) }
    }

    /// Lends the parts to C.
    public mutating func withParts(_ body: (inout tsr_fit_parts) -> Void) {
        d.withUnsafeMutableBufferPointer { d in
            dm.withUnsafeMutableBufferPointer { dm in
                scales.withUnsafeMutableBufferPointer { scales in
                    minimums.withUnsafeMutableBufferPointer { minimums in
                        codes.withUnsafeMutableBufferPointer { codes in
                            var parts = tsr_fit_parts(
                                d: d.baseAddress, dm: dm.baseAddress, codes: codes.baseAddress,
                                scales: scales.baseAddress, minimums: minimums.baseAddress)
                            body(&parts)
                        }
                    }
                }
            }
        }
    }
}

extension GroupGeometry {
    /// The same for the kernels.
    public var kernelFormat: tsr_fit_format {
        tsr_fit_format(columns: columns, bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize))
    }

    /// The matrix of such tiles for the kernels; `tiles` must be 64-byte aligned.
    public func packed(_ tiles: UnsafeRawPointer) -> tsr_packed {
        tsr_packed(
            tiles: tiles.assumingMemoryBound(to: UInt8.self), rows: rows, columns: columns,
            bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize), scales: TSR_ROW_FACTORS)
    }

    /// Reads row `row` of a packed matrix as `columns` floats: `(d·sc)·q − dm·mn`, each operation rounded.
    /// - Precondition: `matrix` is `byteCount` long, `row` below `rows`, `out` `columns` long.
    public func read(row: Int, of matrix: UnsafeRawBufferPointer, into out: UnsafeMutableBufferPointer<Float>)
    {
        precondition(matrix.count == byteCount && (0..<rows).contains(row) && out.count == columns)
        guard let tiles = matrix.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        var kernelFormat = kernelFormat
        let (tile, within) = row.quotientAndRemainder(dividingBy: Self.tileRows)
        tsr_fit_row(&kernelFormat, tiles + tile * tileBytes, within, out.baseAddress)
    }
}
