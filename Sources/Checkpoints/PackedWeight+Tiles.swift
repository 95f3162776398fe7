internal import GroupFormats
public import Storage

extension PackedWeight {
    /// Writes rows in the form that holds their codes exactly, as a matrix of their own: tiles, the last one filled up with
    /// zeros. Uses memory for 16 rows of codes.
    /// - Throws: `.badInput` when a scale is NaN or infinite.
    /// - Precondition: `published.form` is exact, `rows` are rows of this weight, at least one, and `out` has the size of a
    ///   matrix of them in that form.
    public func writeTiles(
        _ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer
    ) throws(Failure) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= shape.extents[0])
        guard case .exact(let encoding) = published.form, case .consecutive(let size) = groups,
            let geometry = Shape.matrix(rows.count, columns).flatMap({ PublishedGeometry(encoding, $0) }),
            out.count == geometry.byteCount
        else { preconditionFailure("\(out.count) bytes are no tiles of \(rows.count) rows") }
        let panel = PackedPanel(self, columns: geometry.paddedColumns)
        defer { panel.deallocate() }
        let sides = geometry.groupCount * GroupGeometry.tileRows
        let scales = UnsafeMutableBufferPointer<Float16>.allocate(capacity: sides)
        defer { scales.deallocate() }
        let zeros = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: sides)
        defer { zeros.deallocate() }
        for tile in 0..<geometry.tileCount {
            let first = rows.lowerBound + tile * GroupGeometry.tileRows
            try panel.load(first..<min(first + GroupGeometry.tileRows, rows.upperBound))
            for side in 0..<sides {
                // A published group may be several of the tile's.
                let (group, row) = side.quotientAndRemainder(dividingBy: GroupGeometry.tileRows)
                let source = group * geometry.format.groupSize / size * GroupGeometry.tileRows + row
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
    static func form(
        _ value: Value, _ bits: GroupFormat.Bits, _ scales: ScaleMatrix, _ groups: Groups, columns: Int
    ) -> PublishedCodes.Form {
        guard value == .integer else { return .floats(because: "they are 8-bit floats") }
        guard case .consecutive(let size) = groups else {
            return .floats(because: "their columns are in the order of the activations")
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
        guard scales.fitFloat16 else { return .floats(because: "float16 does not hold their scales") }
        return .exact(.zeroPoints(format))
    }
}
