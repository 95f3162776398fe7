import Checkpoints
import Generations
import Storage

/// Rows put side by side in memory from where they lie in tensors.
final class RowGather {
    private let buffer: UnsafeMutableRawBufferPointer
    private let columns: Int
    /// Bytes of an element.
    private let width: Int
    private var filled = 0

    init(rows: Int, columns: Int, width: Int) {
        buffer = .allocate(byteCount: rows * columns * width, alignment: 64)
        self.columns = columns
        self.width = width
    }

    deinit { buffer.deallocate() }

    /// Appends the rows of a piece, which the ledger has measured.
    /// - Throws: `badInput` when a weight of codes holds a scale that is no finite number.
    func append(_ piece: WeightPiece) throws(Failure) {
        let rowBytes = columns * width
        let target = UnsafeMutableRawBufferPointer(
            rebasing: buffer[filled..<filled + piece.view.count * rowBytes])
        switch (piece.weight.form, piece.view) {
        case (.plain(let tensor), .rows(let rows)):
            let bytes = tensor.data.bytes[rows.lowerBound * rowBytes..<rows.upperBound * rowBytes]
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
        case (.plain(let tensor), .columns(let range, let firstRow, let pitch)):
            let bytes = tensor.data.bytes
            switch width {
            case 2: transpose(bytes, range, firstRow, pitch, into: target, as: UInt16.self)
            case 4: transpose(bytes, range, firstRow, pitch, into: target, as: UInt32.self)
            default: transpose(bytes, range, firstRow, pitch, into: target, as: UInt64.self)
            }
        case (.derived(let derived), .rows(let rows)):
            // A row of the slot may be several of the weight, whose last extent is shorter.
            let each = derived.shape.rank > 1 ? columns / max(1, derived.shape.extents.last ?? 1) : 1
            try derived.readRows(rows.lowerBound * each..<rows.upperBound * each, into: target)
        case (.derived, .columns):
            // The ledger lets none through.
            break
        case (.described, _):
            throw .badInput(
                "has no data: only a manifest of it was read", at: "tensor '\(piece.weight.name)'")
        }
        filled += target.count
    }

    /// Blocks of 16 columns, a cache line of the narrow types: each line read is used whole.
    private func transpose<Element: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ firstRow: Int, _ pitch: Int,
        into target: UnsafeMutableRawBufferPointer, as type: Element.Type
    ) {
        for block in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
            let end = min(block + 16, range.upperBound)
            for k in 0..<columns {
                for column in block..<end {
                    let source = ((firstRow + k) * pitch + column) * width
                    let place = ((column - range.lowerBound) * columns + k) * width
                    target.storeBytes(
                        of: bytes.loadUnaligned(fromByteOffset: source, as: type), toByteOffset: place,
                        as: type)
                }
            }
        }
    }

    /// Lends what was gathered.
    func lend(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        try body(UnsafeRawBufferPointer(buffer))
    }
}
