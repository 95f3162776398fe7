internal import GroupFormats
public import Storage

extension PackedWeight {
    /// Writes rows as tiles; uses memory for 16 rows of codes.
    public func writeTiles(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows)
        guard case .exact(let encoding)? = published?.form, case .consecutive(let size) = parts.groups,
            let geometry = Shape.matrix(rows.count, columns).flatMap({ PublishedGeometry(encoding, $0) }),
            out.count == geometry.byteCount
        else { preconditionFailure("\(out.count) bytes are no tiles of \(rows.count) rows") }
        let panel = PackedPanel(parts, columns: geometry.paddedColumns)
        defer { panel.deallocate() }
        var sides = TileSides(geometry, publishedGroup: size)
        for tile in 0..<geometry.tileCount {
            let first = rows.lowerBound + tile * GroupGeometry.tileRows
            let wanted = first..<min(first + GroupGeometry.tileRows, rows.upperBound)
            try panel.load(wanted, columns: columns)
            sides.pack(
                panel, parts.scales, wanted,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: out[tile * geometry.tileBytes..<(tile + 1) * geometry.tileBytes]))
        }
    }

    /// How a bundle can hold such codes.
    static func form(_ parts: Parts, columns: Int) -> PublishedCodes.Form {
        guard case .consecutive(let size) = parts.groups else {
            return .floats(because: "their columns are in the order of the activations")
        }
        guard case .none = parts.factors else {
            return .floats(because: "their scales are products, which tiles would round")
        }
        switch (parts.values, parts.scales.reading) {
        case (.integers, _): return integerForm(parts, groupSize: size, columns: columns)
        case (.float8, _): return .floats(because: "they are 8-bit floats")
        case (.float4, .exponent) where size == Float4Format.mxfp4.groupSize: return .exact(.float4(.mxfp4))
        case (.float4, .float8) where size == Float4Format.nvfp4.groupSize: return .exact(.float4(.nvfp4))
        case (.float4, _): return .floats(because: "groups of \(size) 4-bit floats do not fit tiles")
        }
    }

    private static func integerForm(_ parts: Parts, groupSize size: Int, columns: Int) -> PublishedCodes.Form
    {
        guard let bits = GroupFormat.Bits.allCases.first(where: { $0.rawValue >= parts.codes.bits }) else {
            return .floats(because: "codes of \(parts.codes.bits) bits do not fit tiles")
        }
        // The largest groups that published ones consist of; a scale for the whole row may be said as often as one likes,
        // so that a short row is not padded more than it must be.
        let fitting =
            size < columns
            ? bits.groupSizes.last { size % $0 == 0 }
            : bits.groupSizes.first { $0 >= columns } ?? bits.groupSizes.last
        guard let format = fitting.flatMap({ GroupFormat(bits, groupSize: $0) }) else {
            return .floats(because: "groups of \(size) do not fit tiles")
        }
        guard parts.scales.fitFloat16 else { return .floats(because: "float16 does not hold their scales") }
        guard case .biases(let biases) = parts.offset else { return .exact(.zeroPoints(format)) }
        guard biases.fitFloat16 else { return .floats(because: "float16 does not hold their biases") }
        return .exact(.affine(format))
    }
}

/// What stands beside the codes of a tile, while a matrix is written tile by tile.
private struct TileSides {
    private static let tileRows = GroupGeometry.tileRows
    private let geometry: PublishedGeometry
    /// The published group of each of the tile's, which may be several of one.
    private let groups: [Int]
    private var scales: [Float16]
    private var zeros: [UInt8]
    private var biases: [Float16]

    init(_ geometry: PublishedGeometry, publishedGroup size: Int) {
        self.geometry = geometry
        groups = (0..<geometry.groupCount).map { $0 * geometry.format.groupSize / size }
        let sides = geometry.groupCount * Self.tileRows
        scales = Array(repeating: 0, count: sides)
        zeros = Array(repeating: 0, count: sides)
        biases = Array(repeating: 0, count: sides)
    }

    /// Writes the tile of the rows that a panel holds.
    mutating func pack(
        _ panel: PackedPanel, _ matrix: ScaleMatrix, _ rows: Range<Int>,
        into tile: UnsafeMutableRawBufferPointer
    ) {
        let codes = UnsafeBufferPointer(panel.codes)
        if case .float4 = geometry.encoding {
            packFloats(codes, matrix, rows, into: tile)
            return
        }
        for (group, source) in groups.enumerated() {
            for row in 0..<Self.tileRows {
                let (side, place) = (group * Self.tileRows + row, source * Self.tileRows + row)
                scales[side] = Float16(panel.scales[place])
                zeros[side] = panel.zeros[place]
                biases[side] = Float16(panel.biases[place])
            }
        }
        scales.withUnsafeBufferPointer { scales in
            if case .affine = geometry.encoding {
                biases.withUnsafeBufferPointer {
                    geometry.pack(codes: codes, scales: scales, biases: $0, into: tile)
                }
            } else {
                zeros.withUnsafeBufferPointer {
                    geometry.pack(codes: codes, scales: scales, zeros: $0, into: tile)
                }
            }
        }
    }

    /// The same of 4-bit floats, whose scales stay the bytes that they are.
    private mutating func packFloats(
        _ codes: UnsafeBufferPointer<UInt8>, _ matrix: ScaleMatrix, _ rows: Range<Int>,
        into tile: UnsafeMutableRawBufferPointer
    ) {
        var factors = [Float](repeating: 0, count: Self.tileRows)
        var divisors = factors
        for row in 0..<rows.count { (factors[row], divisors[row]) = matrix.common.parts }
        for group in 0..<geometry.groupCount {
            for row in 0..<Self.tileRows {
                zeros[group * Self.tileRows + row] =
                    row < rows.count ? matrix.byte(rows.lowerBound + row, group) : 0
            }
        }
        zeros.withUnsafeBufferPointer { scales in
            factors.withUnsafeBufferPointer { factors in
                divisors.withUnsafeBufferPointer {
                    geometry.pack(codes: codes, scales: scales, factors: factors, divisors: $0, into: tile)
                }
            }
        }
    }
}
