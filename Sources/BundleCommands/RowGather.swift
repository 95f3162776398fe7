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

    /// Appends the rows that `view` finds in a tensor's `bytes`, which the ledger has measured.
    func append(_ bytes: UnsafeRawBufferPointer, _ view: WeightPiece.View) {
        let rowBytes = columns * width
        switch view {
        case .rows(let rows):
            let part = bytes[rows.lowerBound * rowBytes..<rows.upperBound * rowBytes]
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + part.count]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: part))
        case .columns(let range, let firstRow, let pitch):
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            switch width {
            case 2: transpose(bytes, range, firstRow, pitch, into: target, as: UInt16.self)
            case 4: transpose(bytes, range, firstRow, pitch, into: target, as: UInt32.self)
            default: transpose(bytes, range, firstRow, pitch, into: target, as: UInt64.self)
            }
        }
        filled += view.count * rowBytes
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
