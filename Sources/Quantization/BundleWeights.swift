public import Bundles
internal import GroupFormats
internal import Runtime
public import Storage

/// The weights of a bundle that holds what its checkpoint held: floats, and published codes.
public struct BundleWeights: WeightSource {
    /// All tensors, in the order of the file.
    public let weights: [SourceWeight]
    private let bundle: Bundle

    /// The weights of `bundle`.
    /// - Throws: `.badInput` when a tensor was quantized before.
    public init(_ bundle: Bundle) throws(Failure) {
        self.bundle = bundle
        var weights: [SourceWeight] = []
        for tensor in bundle.tensors {
            let type: ElementType
            var codes: PublishedCodes?
            switch tensor.encoding {
            case .float(let stored): type = stored
            case .zeroPoints, .affine, .float4:
                (type, codes) = (.float32, .init(nil, .exact(tensor.encoding)))
            case .groups, .bands:
                throw .badInput(
                    "is quantized already, as \(tensor.encoding)", file: bundle.path,
                    at: "tensor '\(tensor.name)'",
                    remedy: "start from the bundle of full precision")
            }
            weights.append(
                SourceWeight(
                    name: tensor.name, shape: tensor.shape, type: type, codes: codes, sources: tensor.sources,
                    note: tensor.note))
        }
        self.weights = weights
    }

    /// A weight as the bundle has it, mapped.
    func lent(_ index: Int) -> LentWeight? { LentWeight(weights[index].name, of: bundle) }

    /// Lends rows of `weights[index]`; their pages may leave memory afterwards.
    public func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if let geometry = tileGeometry(index) {
            let first = rows.lowerBound % GroupGeometry.tileRows
            return try withTiles(rows.lowerBound - first..<rows.upperBound, of: index) {
                (tiles) throws(Failure) in
                try geometry.withRows(first..<first + rows.count, of: tiles, body)
            }
        }
        let width = weights[index].rowBytes
        try withBytes(rows.lowerBound * width..<rows.upperBound * width, of: index, body)
    }

    /// Lends rows of `weights[index]` as the tiles that they are stored in; their pages may leave memory afterwards.
    public func withTiles(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard let geometry = tileGeometry(index) else { preconditionFailure("stored as floats") }
        let tiles = rows.lowerBound / GroupGeometry.tileRows..<geometry.tileCount(rows: rows.upperBound)
        let bytes = tiles.lowerBound * geometry.tileBytes..<tiles.upperBound * geometry.tileBytes
        try withBytes(bytes, of: index) { (bytes) throws(Failure) in
            if let bad = geometry.firstBadScale(in: bytes, from: tiles.lowerBound * GroupGeometry.tileRows) {
                throw .badInput("\(bad)", file: bundle.path, at: "tensor '\(weights[index].name)'")
            }
            try body(bytes)
        }
    }

    /// Nil for floats.
    private func tileGeometry(_ index: Int) -> PublishedGeometry? {
        PublishedGeometry(bundle.tensors[index].encoding, weights[index].shape)
    }

    private func withBytes(
        _ range: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let mapped = bundle.bytes(of: bundle.tensors[index])
        try body(UnsafeRawBufferPointer(rebasing: mapped.bytes[range]))
        let start = mapped.range.lowerBound
        mapped.file.advise(start + range.lowerBound..<start + range.upperBound, .dontNeed)
    }
}

extension PublishedGeometry {
    /// Lends rows of whole tiles as float32.
    fileprivate func withRows(
        _ rows: Range<Int>, of tiles: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count * columns)
        defer { floats.deallocate() }
        for (place, row) in rows.enumerated() {
            let target = UnsafeMutableBufferPointer(
                rebasing: floats[place * columns..<(place + 1) * columns])
            read(row: row, of: tiles, into: target)
        }
        try body(UnsafeRawBufferPointer(floats))
    }
}
