internal import GroupFormats
public import Storage

extension PackedWeight {
    /// Writes rows as tiles; uses memory for 16 rows of codes.
    public func writeTiles(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows)
        guard case .exact(let format)? = published?.form, case .consecutive(let size) = parts.groups,
            let geometry = Shape.matrix(rows.count, columns).flatMap({ ZeroPointGeometry(format, $0) }),
            out.count == geometry.byteCount
        else { preconditionFailure("\(out.count) bytes are no tiles of \(rows.count) rows") }
        let panel = PackedPanel(parts, columns: geometry.paddedColumns)
        defer { panel.deallocate() }
        let sides = geometry.groupCount * GroupGeometry.tileRows
        let scales = UnsafeMutableBufferPointer<Float16>.allocate(capacity: sides)
        defer { scales.deallocate() }
        let zeros = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: sides)
        defer { zeros.deallocate() }
        for tile in 0..<geometry.tileCount {
            let first = rows.lowerBound + tile * GroupGeometry.tileRows
            try panel.load(first..<min(first + GroupGeometry.tileRows, rows.upperBound), columns: columns)
            for side in 0..<sides {
                // A published group may be several of the tile's.
                let (group, row) = side.quotientAndRemainder(dividingBy: GroupGeometry.tileRows)
                let source = group * format.groupSize / size * GroupGeometry.tileRows + row
                scales[side] = Float16(panel.scales[source])
                zeros[side] = panel.zeros[source]
            }
            geometry.pack(
                codes: UnsafeBufferPointer(panel.codes), scales: UnsafeBufferPointer(scales),
                zeros: UnsafeBufferPointer(zeros),
                into: UnsafeMutableRawBufferPointer(
                    rebasing: out[tile * geometry.tileBytes..<(tile + 1) * geometry.tileBytes]))
        }
    }

    /// How a bundle can hold such codes.
    static func form(_ parts: Parts, columns: Int) -> PublishedCodes.Form {
        switch parts.values {
        case .integers: break
        case .float8: return .floats(because: "they are 8-bit floats")
        case .float4: return .floats(because: "they are 4-bit floats")
        }
        guard case .consecutive(let size) = parts.groups else {
            return .floats(because: "their columns are in the order of the activations")
        }
        guard case .none = parts.factors else {
            return .floats(because: "their scales are products, which tiles would round")
        }
        if case .biases = parts.offset { return .floats(because: "their groups have biases, no zero points") }
        guard
            let bits = GroupFormat.Bits.allCases.first(where: {
                $0.isPublished && $0.rawValue >= parts.codes.bits
            })
        else { return .floats(because: "codes of \(parts.codes.bits) bits do not fit tiles") }
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
        return .exact(format)
    }
}
