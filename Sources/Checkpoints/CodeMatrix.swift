internal import CKernels
internal import GroupFormats
internal import Storage

/// How the codes of a tensor follow each other along one axis of the weight.
struct CodeAxis {
    /// Bytes from one word to the next: what holds `order.count` codes.
    let stride: Int
    /// The place within its word of each of the codes that share one; a single 0 where none do.
    let order: [Int]

    /// One code after the other, `stride` bytes apart.
    static func separate(_ stride: Int) -> CodeAxis { CodeAxis(stride: stride, order: [0]) }

    /// Words of 32 bits, `stride` bytes apart, each of which holds consecutive codes from its lowest bit on.
    static func words(_ bits: GroupFormat.Bits, stride: Int) -> CodeAxis {
        CodeAxis(stride: stride, order: Array(0..<32 / bits.rawValue))
    }

    /// Such words of 4-bit codes with the even ones before the odd ones, as AutoAWQ interleaves them.
    static func interleavedWords(stride: Int) -> CodeAxis {
        CodeAxis(stride: stride, order: [0, 4, 1, 5, 2, 6, 3, 7])
    }

    /// What a code's index adds to the byte at which its word begins, and to its first bit there.
    func place(_ index: Int, _ bits: GroupFormat.Bits) -> (byte: Int, bit: Int) {
        let (word, within) = index.quotientAndRemainder(dividingBy: order.count)
        return (word * stride, order[within] * bits.rawValue)
    }
}

/// Unsigned codes of 4 or 8 bits, found by row and column whatever order a tensor holds them in.
struct CodeMatrix {
    /// At most this many rows are unpacked side by side.
    static let panelRows = 16

    let tensor: SourceTensor
    let bits: GroupFormat.Bits
    let rows: CodeAxis
    let columns: CodeAxis
    /// Whether bytes are signed; 128 is added to those.
    var isSigned = false

    /// Unpacks `columns` columns of at most 16 rows to `[column][16]`; rows that are not asked for are left alone.
    func unpack(_ wanted: Range<Int>, columns count: Int, into codes: UnsafeMutablePointer<UInt8>) {
        var packed = tsr_packed_codes()
        packed.words = tensor.data.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        packed.word_bytes = tensor.type.width
        packed.rows = wanted.count
        packed.column_stride = columns.stride
        packed.columns_per_word = columns.order.count
        packed.mask = UInt8(truncatingIfNeeded: 1 << bits.rawValue - 1)
        packed.flip = isSigned ? 0x80 : 0
        withUnsafeMutableBytes(of: &packed.column_bits) { column in
            for (index, place) in columns.order.enumerated() { column[index] = UInt8(place * bits.rawValue) }
        }
        withUnsafeMutableBytes(of: &packed.row_bits) { row in
            for (index, wanted) in wanted.enumerated() { row[index] = UInt8(rows.place(wanted, bits).bit) }
        }
        withUnsafeMutableBytes(of: &packed.row_offsets) { row in
            let offsets = row.assumingMemoryBound(to: Int.self)
            for (index, wanted) in wanted.enumerated() { offsets[index] = rows.place(wanted, bits).byte }
        }
        tsr_codes_unpack(&packed, count, codes)
    }

    /// One code of a matrix of 32-bit words, `addend` being added to its word first.
    func code(_ row: Int, _ column: Int, adding addend: UInt32) -> UInt8 {
        let (rowPlace, columnPlace) = (rows.place(row, bits), columns.place(column, bits))
        let word = tensor.data.bytes.loadUnaligned(
            fromByteOffset: rowPlace.byte + columnPlace.byte, as: UInt32.self)
        let mask = UInt8(truncatingIfNeeded: 1 << bits.rawValue - 1)
        return UInt8(truncatingIfNeeded: (word &+ addend) >> UInt32(rowPlace.bit + columnPlace.bit)) & mask
    }
}
