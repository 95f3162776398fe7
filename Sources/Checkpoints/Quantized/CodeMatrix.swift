internal import CKernels
internal import Storage

/// How the codes of a tensor follow each other along one axis of the weight.
struct CodeAxis {
    /// How codes share words.
    enum Packing {
        /// Words that hold whole codes: the place within its word of each of the codes that share one.
        case words([Int])
        /// A line of 32-bit words that codes run through, in this order.
        case line(tsr_code_order)
    }

    /// Bytes from one word to the next.
    let stride: Int
    let packing: Packing

    /// One code after the other, `stride` bytes apart.
    static func separate(_ stride: Int) -> CodeAxis { CodeAxis(stride: stride, packing: .words([0])) }

    /// Words of 32 bits, `stride` bytes apart, each of which holds as many whole codes as it can from its lowest bit on.
    static func words(_ bits: Int, stride: Int) -> CodeAxis {
        CodeAxis(stride: stride, packing: .words(Array(0..<32 / bits)))
    }

    /// Such words that consecutive codes fill without a gap, some of them in two words.
    static func stream(_ bits: Int, stride: Int) -> CodeAxis {
        32 % bits == 0
            ? .words(bits, stride: stride) : CodeAxis(stride: stride, packing: .line(TSR_CODE_STREAM))
    }

    /// Such words with the bits of 32 codes in planes, as gptqmodel's `gptq_p` has them.
    static func planes(_ bits: Int, stride: Int) -> CodeAxis {
        32 % bits == 0
            ? .words(bits, stride: stride) : CodeAxis(stride: stride, packing: .line(TSR_CODE_PLANES))
    }

    /// Bytes of two 4-bit codes each, the first in the low half.
    static func nibbles(stride: Int) -> CodeAxis { CodeAxis(stride: stride, packing: .words([0, 1])) }

    /// Words of 4-bit codes with the even ones before the odd ones, as AutoAWQ interleaves them.
    static func interleavedWords(stride: Int) -> CodeAxis {
        CodeAxis(stride: stride, packing: .words([0, 4, 1, 5, 2, 6, 3, 7]))
    }

    /// What a code's index adds to the byte at which its word begins, and to its first bit there. A line begins at its first
    /// word.
    func place(_ index: Int, _ bits: Int) -> (byte: Int, bit: Int) {
        guard case .words(let order) = packing else { return (0, 0) }
        let (word, within) = index.quotientAndRemainder(dividingBy: order.count)
        return (word * stride, order[within] * bits)
    }
}

/// Unsigned codes of 2 to 8 bits, found by row and column whatever order a tensor holds them in.
struct CodeMatrix {
    /// At most this many rows are unpacked side by side.
    static let panelRows = 16

    let tensor: SourceTensor
    let bits: Int
    let rows: CodeAxis
    let columns: CodeAxis
    /// Whether they are two's complements; half their range is added to those.
    var isSigned = false

    private var mask: UInt8 { UInt8(truncatingIfNeeded: 1 << bits - 1) }
    private var flip: UInt8 { isSigned ? 1 << UInt8(bits - 1) : 0 }

    /// Unpacks `columns` columns of at most 16 rows to `[column][16]`; rows that are not asked for are left alone.
    func unpack(_ wanted: Range<Int>, columns count: Int, into codes: UnsafeMutablePointer<UInt8>) {
        guard let start = tensor.data.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        switch (rows.packing, columns.packing) {
        case (.words, .words(let order)): unpackWords(wanted, count, order, start, into: codes)
        case (.words, .line(let order)):
            for (index, row) in wanted.enumerated() {
                tsr_codes_unpack_line(
                    start + rows.place(row, bits).byte, columns.stride, count, UInt32(bits), order,
                    codes + index)
            }
        case (.line(let order), _):
            for column in 0..<count {
                let line = start + columns.place(column, bits).byte
                for (index, row) in wanted.enumerated() {
                    codes[column * Self.panelRows + index] = tsr_code_in_line(
                        line, rows.stride, row, UInt32(bits), order)
                }
            }
        }
    }

    private func unpackWords(
        _ wanted: Range<Int>, _ count: Int, _ order: [Int], _ start: UnsafePointer<UInt8>,
        into codes: UnsafeMutablePointer<UInt8>
    ) {
        var packed = tsr_packed_codes()
        packed.words = start
        packed.word_bytes = tensor.type.width
        packed.rows = wanted.count
        packed.column_stride = columns.stride
        packed.columns_per_word = order.count
        packed.mask = mask
        packed.flip = flip
        withUnsafeMutableBytes(of: &packed.column_bits) { column in
            for (index, place) in order.enumerated() { column[index] = UInt8(place * bits) }
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

    /// Unpacks zero points from each of which 1 was taken, as `unpack`.
    ///
    /// From words that hold whole codes it was taken as a whole, so that a 0 borrowed from its neighbour: whole words are added
    /// to. In other orders each code is by itself.
    func unpackAddingOne(_ wanted: Range<Int>, columns count: Int, into codes: UnsafeMutablePointer<UInt8>) {
        guard case .words(let order) = rows.packing, tensor.type.width == 4 else {
            unpack(wanted, columns: count, into: codes)
            for column in 0..<count {
                for index in 0..<wanted.count { codes[column * Self.panelRows + index] &+= 1 }
                for index in 0..<wanted.count { codes[column * Self.panelRows + index] &= mask }
            }
            return
        }
        let ones = order.reduce(UInt32(0)) { $0 | 1 << UInt32($1 * bits) }
        for column in 0..<count {
            let columnPlace = columns.place(column, bits)
            for (index, row) in wanted.enumerated() {
                let rowPlace = rows.place(row, bits)
                let word = tensor.data.bytes.loadUnaligned(
                    fromByteOffset: rowPlace.byte + columnPlace.byte, as: UInt32.self)
                codes[column * Self.panelRows + index] =
                    UInt8(truncatingIfNeeded: (word &+ ones) >> UInt32(rowPlace.bit + columnPlace.bit)) & mask
            }
        }
    }
}
