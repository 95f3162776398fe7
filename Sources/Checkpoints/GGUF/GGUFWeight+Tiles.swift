internal import CKernels
internal import GroupFormats
internal import Storage

extension GGUFWeight {
    /// Rows of a tile.
    private static let tileRows = GroupGeometry.tileRows

    /// What tiles hold its blocks exactly: those of 32 codes with one scale; nil for others.
    var exactEncoding: TensorEncoding? {
        guard case .blocks(let kind) = tensor.type.reading, shape.rank > 1 else { return nil }
        if case .elements = layout { return nil }
        func format(_ bits: GroupFormat.Bits) -> GroupFormat? {
            GroupFormat(bits, groupSize: tensor.type.elements)
        }
        switch kind {
        case TSR_BLOCK_Q4_0: return format(.four).map { .zeroPoints($0) }
        case TSR_BLOCK_Q5_0: return format(.five).map { .zeroPoints($0) }
        case TSR_BLOCK_Q8_0: return format(.eight).map { .zeroPoints($0) }
        case TSR_BLOCK_Q4_1: return format(.four).map { .affine($0) }
        case TSR_BLOCK_Q5_1: return format(.five).map { .affine($0) }
        case TSR_BLOCK_MXFP4: return .float4(.mxfp4)
        default: return nil
        }
    }

    func writeTiles(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        guard let encoding = exactEncoding, case .blocks(let kind) = tensor.type.reading,
            let geometry = Shape.matrix(rows.count, shape.extents[shape.rank - 1]).flatMap({
                PublishedGeometry(encoding, $0)
            }), out.count == geometry.byteCount
        else { preconditionFailure("\(out.count) bytes are no tiles of \(rows.count) rows") }
        try tensor.withRows(rows, layout) { (bytes) throws(Failure) in
            try pack(kind, bytes, rows, geometry, into: out)
        }
    }

    private func pack(
        _ kind: tsr_block_kind, _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>,
        _ geometry: PublishedGeometry, into out: UnsafeMutableRawBufferPointer
    ) throws(Failure) {
        guard let blocks = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        let pitch = tensor.pitch
        var parts = TileBlocks(geometry)
        for tile in 0..<geometry.tileCount {
            let first = tile * Self.tileRows
            let target = UnsafeMutableRawBufferPointer(
                rebasing: out[tile * geometry.tileBytes..<(tile + 1) * geometry.tileBytes])
            parts.pack(
                kind, blocks + first * pitch, pitch: pitch, rows: min(Self.tileRows, rows.count - first),
                into: target)
            if let bad = geometry.firstBadScale(in: UnsafeRawBufferPointer(target), from: first) {
                throw .badInput(
                    "has a scale that is NaN or infinite: in row \(rows.lowerBound + bad.row), block \(bad.group)",
                    file: tensor.data.file.path, at: "tensor '\(tensor.name)'")
            }
        }
    }
}

/// The blocks of sixteen rows, taken apart, while a matrix is written tile by tile.
private struct TileBlocks {
    private static let tileRows = GroupGeometry.tileRows
    private let geometry: PublishedGeometry
    private var codes: [UInt8]
    private var scales, biases: [UInt16]

    init(_ geometry: PublishedGeometry) {
        self.geometry = geometry
        codes = Array(repeating: 0, count: geometry.paddedColumns * Self.tileRows)
        scales = Array(repeating: 0, count: geometry.groupCount * Self.tileRows)
        biases = scales
    }

    /// Packs a tile of rows that begin at `blocks`; of the last tile fewer than sixteen are there.
    mutating func pack(
        _ kind: tsr_block_kind, _ blocks: UnsafePointer<UInt8>, pitch: Int, rows: Int,
        into tile: UnsafeMutableRawBufferPointer
    ) {
        if rows < Self.tileRows { self = TileBlocks(geometry) }
        tsr_blocks_to_codes(kind, blocks, pitch, rows, geometry.groupCount, &codes, &scales, &biases)
        codes.withUnsafeBufferPointer { codes in
            switch geometry.encoding {
            case .float4: packFloats(codes, rows, into: tile)
            case .affine:
                halves(scales) { scales in
                    halves(biases) { geometry.pack(codes: codes, scales: scales, biases: $0, into: tile) }
                }
            default:
                let zero = UInt8(1) << UInt8(geometry.format.bits.rawValue - 1)
                let zeros = (0..<scales.count).map { $0 % Self.tileRows < rows ? zero : 0 }
                halves(scales) { scales in
                    zeros.withUnsafeBufferPointer {
                        geometry.pack(codes: codes, scales: scales, zeros: $0, into: tile)
                    }
                }
            }
        }
    }

    private func packFloats(
        _ codes: UnsafeBufferPointer<UInt8>, _ rows: Int, into tile: UnsafeMutableRawBufferPointer
    ) {
        let ones = (0..<Self.tileRows).map { $0 < rows ? Float(1) : 0 }
        let bytes = scales.map { UInt8(truncatingIfNeeded: $0) }
        bytes.withUnsafeBufferPointer { scales in
            ones.withUnsafeBufferPointer {
                geometry.pack(codes: codes, scales: scales, factors: $0, divisors: $0, into: tile)
            }
        }
    }

    private func halves(_ values: [UInt16], _ body: (UnsafeBufferPointer<Float16>) -> Void) {
        values.withUnsafeBufferPointer { $0.withMemoryRebound(to: Float16.self, body) }
    }
}
