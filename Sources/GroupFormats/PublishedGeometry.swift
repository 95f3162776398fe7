public import CKernels
public import Storage

/// Where the parts of a matrix lie whose codes are held exactly as they were published.
///
/// Tiles, rows and codes are those of `GroupGeometry`; what comes before the codes of a tile depends on the encoding:
/// - `zeroPoints`: 16 float16 scales and 16 zero points a group; `w[n, k] = s[n, g] · (q[n, k] − z[n, g])`, exact in float32.
/// - `affine`: 16 float16 scales and 16 float16 biases a group; `w[n, k] = s[n, g] · q[n, k] + b[n, g]`, rounded once: the
///   product is exact in float32.
/// - `float4`: 16 float32 factors and 16 float32 divisors, then 16 bytes of scales a group;
///   `w[n, k] = E2M1[q[n, k]] · (e[n, g] · d[n]) / v[n]`, each operation rounded to float32, the division before the product.
public struct PublishedGeometry: Hashable, Sendable {
    /// How the values are stored: zero points, affine or 4-bit floats.
    public let encoding: TensorEncoding
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

    private static let tileRows = GroupGeometry.tileRows

    /// Nil when `encoding` is for no published codes, `shape` is no matrix or is empty, or the size overflows.
    public init?(_ encoding: TensorEncoding, _ shape: Shape) {
        guard let format = encoding.publishedFormat, let codes = GroupGeometry(format, shape) else {
            return nil
        }
        self.encoding = encoding
        self.format = format
        (rows, columns) = (codes.rows, codes.columns)
        (groupCount, tileCount) = (codes.groupCount, codes.tileCount)
        tileBytes = tsr_packed_tile_bytes(
            columns, UInt32(format.bits.rawValue), UInt32(format.groupSize), encoding.kernelKind)
        let (bytes, overflow) = tileCount.multipliedReportingOverflow(by: tileBytes)
        guard !overflow else { return nil }
        byteCount = bytes
    }

    /// K, padded to whole groups.
    public var paddedColumns: Int { groupCount * format.groupSize }

    /// Tiles that so many rows take.
    public func tileCount(rows: Int) -> Int { (rows + Self.tileRows - 1) / Self.tileRows }

    /// The matrix of such tiles for the kernels; `tiles` must be 64-byte aligned.
    public func packed(_ tiles: UnsafeRawPointer?) -> tsr_packed {
        tsr_packed(
            tiles: tiles?.assumingMemoryBound(to: UInt8.self), rows: rows, columns: columns,
            bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize), scales: encoding.kernelKind)
    }

    /// Reads row `row` of a matrix of such tiles as `columns` floats.
    /// - Precondition: `matrix` is whole tiles, `row` lies within them, `out` is `columns` long.
    public func read(row: Int, of matrix: UnsafeRawBufferPointer, into out: UnsafeMutableBufferPointer<Float>)
    {
        precondition(row >= 0 && row / Self.tileRows < matrix.count / tileBytes)
        precondition(out.count == columns)
        var packed = packed(matrix.baseAddress)
        tsr_packed_row(&packed, row, out.baseAddress)
    }
}

extension PublishedGeometry {
    /// Writes a tile with zero points, padding included: `scales` and `zeros` by group, then row; `codes` by padded column, then
    /// row. Codes must be below 2^bits; those of padded columns, and all of rows that are not there, 0.
    /// - Precondition: the encoding is `zeroPoints`, the buffers have these sizes, `tile` is `tileBytes` long.
    public func pack(
        codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<Float16>,
        zeros: UnsafeBufferPointer<UInt8>, into tile: UnsafeMutableRawBufferPointer
    ) {
        guard case .zeroPoints = encoding else { preconditionFailure("\(encoding) has no zero points") }
        pack(codes, UnsafeRawBufferPointer(scales), UnsafeRawBufferPointer(zeros), into: tile)
    }

    /// The same for an affine tile; `biases` are by group, then row.
    /// - Precondition: the encoding is `affine`, the buffers have these sizes, `tile` is `tileBytes` long.
    public func pack(
        codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<Float16>,
        biases: UnsafeBufferPointer<Float16>, into tile: UnsafeMutableRawBufferPointer
    ) {
        guard case .affine = encoding else { preconditionFailure("\(encoding) has no biases") }
        pack(codes, UnsafeRawBufferPointer(scales), UnsafeRawBufferPointer(biases), into: tile)
    }

    /// The same for a tile of 4-bit floats; `scales` are the bytes as published, `factors` and `divisors` by row.
    /// - Precondition: the encoding is `float4`, the buffers have these sizes, `tile` is `tileBytes` long.
    public func pack(
        codes: UnsafeBufferPointer<UInt8>, scales: UnsafeBufferPointer<UInt8>,
        factors: UnsafeBufferPointer<Float>, divisors: UnsafeBufferPointer<Float>,
        into tile: UnsafeMutableRawBufferPointer
    ) {
        guard case .float4 = encoding else { preconditionFailure("\(encoding) has no factors") }
        precondition(factors.count == Self.tileRows && divisors.count == Self.tileRows)
        pack(
            codes, UnsafeRawBufferPointer(scales), UnsafeRawBufferPointer(start: nil, count: 0), factors,
            divisors, into: tile)
    }

    private func pack(
        _ codes: UnsafeBufferPointer<UInt8>, _ scales: UnsafeRawBufferPointer,
        _ minimums: UnsafeRawBufferPointer, _ factors: UnsafeBufferPointer<Float>? = nil,
        _ divisors: UnsafeBufferPointer<Float>? = nil, into tile: UnsafeMutableRawBufferPointer
    ) {
        let sides = groupCount * Self.tileRows
        precondition(codes.count == sides * format.groupSize && tile.count == tileBytes)
        precondition(scales.count == sides * encoding.scaleBytes.scale)
        precondition(minimums.count == sides * encoding.scaleBytes.minimum)
        var kernelFormat = tsr_fit_format(
            columns: columns, bits: UInt32(format.bits.rawValue), group: UInt32(format.groupSize))
        var parts = tsr_published_parts(
            factors: factors?.baseAddress, divisors: divisors?.baseAddress, scales: scales.baseAddress,
            minimums: minimums.baseAddress, codes: codes.baseAddress)
        tsr_published_pack(&kernelFormat, encoding.kernelKind, &parts, tile.baseAddress)
    }
}

extension PublishedGeometry {
    /// A scale or bias that is NaN or infinite: `the scale of row 18, group 0, is nan`.
    public struct BadScale: Equatable, Sendable, CustomStringConvertible {
        /// Of the matrix.
        public let row: Int
        /// Of the row.
        public let group: Int
        /// Words for a message.
        public let description: String

        fileprivate init(_ part: String, row: Int, group: Int, _ value: Float) {
            (self.row, self.group) = (row, group)
            // Not the sign and the bits that a NaN has besides.
            let words = value.isNaN ? "nan" : "\(value)"
            description = "the \(part) of row \(row), group \(group), is \(words)"
        }
    }

    /// The first scale or bias within whole tiles that is NaN or infinite, if any. `first` is the row of the matrix that they
    /// begin with.
    public func firstBadScale(in tiles: UnsafeRawBufferPointer, from first: Int) -> BadScale? {
        for tile in 0..<tiles.count / tileBytes {
            let bytes = UnsafeRawBufferPointer(rebasing: tiles[tile * tileBytes..<(tile + 1) * tileBytes])
            let start = first + tile * Self.tileRows
            for group in 0..<groupCount {
                for row in start..<min(start + Self.tileRows, rows) {
                    if let bad = badScale(in: bytes, row - start, group, row) { return bad }
                }
            }
        }
        return nil
    }

    /// Of `place`, a row within a tile, which is `row` of the matrix.
    private func badScale(
        in tile: UnsafeRawBufferPointer, _ place: Int, _ group: Int, _ row: Int
    ) -> BadScale? {
        func half(_ offset: Int) -> Float {
            Float(tile.loadUnaligned(fromByteOffset: offset + 2 * place, as: Float16.self))
        }
        func factor(_ offset: Int) -> Float {
            tile.loadUnaligned(fromByteOffset: offset + 4 * place, as: Float.self)
        }
        let sizes = encoding.scaleBytes
        let entry = Self.tileRows * (sizes.scale + sizes.minimum) * group
        var bias: Float = 0
        let scale: Float
        if case .float4 = encoding {
            let byte = tile[GroupGeometry.factorBytes + entry + place]
            scale = tsr_float4_scale(encoding.kernelKind, byte, factor(0), factor(4 * Self.tileRows))
            // The largest code times a scale is a number, too.
            if !(scale * 6).isFinite { return BadScale("scale", row: row, group: group, scale) }
        } else {
            scale = half(entry)
            if case .affine = encoding { bias = half(entry + Self.tileRows * sizes.scale) }
        }
        if !scale.isFinite { return BadScale("scale", row: row, group: group, scale) }
        return bias.isFinite ? nil : BadScale("bias", row: row, group: group, bias)
    }
}

extension TensorEncoding {
    /// The bits and groups of codes that it holds exactly as they were published; nil where it holds no such codes.
    public var publishedFormat: GroupFormat? {
        switch self {
        case .float, .groups, .bands: nil
        case .zeroPoints(let format), .affine(let format): format
        case .float4(let format): GroupFormat(.four, groupSize: format.groupSize)
        }
    }

    /// Where the kernels find the scales of groups.
    fileprivate var kernelKind: tsr_packed_scales {
        switch self {
        case .float, .groups, .bands: TSR_ROW_FACTORS
        case .zeroPoints: TSR_ZERO_POINTS
        case .affine: TSR_BIASES
        case .float4(.mxfp4): TSR_MXFP4
        case .float4(.nvfp4): TSR_NVFP4
        }
    }

    /// Bytes that a row has for a group's scale, and for what comes with it.
    fileprivate var scaleBytes: (scale: Int, minimum: Int) {
        switch self {
        case .zeroPoints: (2, 1)
        case .affine: (2, 2)
        case .float4: (1, 0)
        case .float, .groups, .bands: (1, 1)
        }
    }
}
