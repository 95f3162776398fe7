import Storage

/// A Windows bitmap (BMP), as Pillow 13 reads it: 32 bits hold alpha only where a mask says so.
struct BitmapFile: StoredPicture {
    let size: ImageSize
    var hasAlpha: Bool { masks.count == 4 }

    private enum Coding { case plain, runs4, runs8 }

    private let bytes: BoundedBytes
    private let bits: Int
    private let coding: Coding
    private let isTopDown: Bool
    private let offset: Int
    /// Red, green, blue of each index of up to eight bits.
    private var palette: [UInt8] = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }
    /// The bits of red, green, blue, and alpha if there is any, of more than eight.
    private var masks: [Int] = []

    /// Reads the headers.
    /// - Throws: `badInput` when the file is damaged or of a kind that is not known.
    init(_ picture: UnsafeRawBufferPointer) throws(Failure) {
        let bytes = BoundedBytes(picture, isLittleEndian: true)
        self.bytes = bytes
        guard let start = bytes.number(10, size: 4), let header = bytes.number(14, size: 4),
            bytes.part(14, count: header) != nil
        else { throw Self.damaged }
        // OS/2's first header has narrower sides.
        let isOld = header == 12
        guard isOld || [40, 52, 56, 64, 108, 124].contains(header) else {
            throw .badInput("has a header of \(header) bytes, which is not supported")
        }
        func field(_ offset: Int, _ size: Int) -> Int { bytes.number(14 + offset, size: size) ?? 0 }
        let width = isOld ? field(4, 2) : field(4, 4)
        let height = isOld ? field(6, 2) : field(8, 4)
        bits = isOld ? field(10, 2) : field(14, 2)
        let compression = isOld ? 0 : field(16, 4)
        isTopDown = !isOld && height >> 24 == 0xFF
        size = ImageSize(width: width, height: isTopDown ? 1 << 32 - height : height)
        let kinds = [1, 2, 4, 8, 16, 24, 32]
        switch (compression, bits) {
        case (0, _) where kinds.contains(bits), (3, 16), (3, 24), (3, 32): coding = .plain
        case (1, 8): coding = .runs8
        case (2, 4): coding = .runs4
        default: throw .badInput("has \(bits) bits and compression \(compression), which is not supported")
        }
        let entry = isOld ? 3 : 4
        let stated = isOld ? 0 : field(32, 4)
        let colours = bits > 8 ? 0 : stated > 0 ? stated : 1 << bits
        guard colours <= 65536 else { throw Self.damaged }
        var end = 14 + header
        if compression == 3 {
            if header == 40 { end += 12 }
            masks = stride(from: 40, to: header >= 56 ? 56 : 52, by: 4).map { field($0, 4) }
        }
        for index in 0..<min(colours, 256) {
            guard let colour = bytes.part(end + entry * index, count: 3)?.bytes else { throw Self.damaged }
            for channel in 0..<3 { palette[3 * index + channel] = colour[2 - channel] }
        }
        // Some files say that pixels begin where the palette does.
        offset = start == 0 || (start == 14 + header && bits <= 8) ? end + entry * colours : start
        masks = try BitmapFile.masks(masks, bits: bits)
    }

    /// What holds red, green, blue and alpha where no palette does.
    private static func masks(_ stated: [Int], bits: Int) throws(Failure) -> [Int] {
        let standard: [Int]
        switch bits {
        case 16: standard = [0x7C00, 0x3E0, 0x1F]
        case 24, 32: standard = [0xFF0000, 0xFF00, 0xFF]
        default: return []
        }
        guard bits != 24, !stated.isEmpty else { return standard }
        var masks = stated
        if masks.last == 0, masks.count == 4 { masks.removeLast() }
        // Nothing but zeros stands for the usual order with alpha.
        if masks.allSatisfy({ $0 == 0 }) {
            return stated.count == 4 && bits == 32 ? standard + [0xFF00_0000] : standard
        }
        let areRuns = masks.allSatisfy { mask in
            let run = mask >> mask.trailingZeroBitCount
            return mask > 0 && mask < 1 << bits && run & (run + 1) == 0
        }
        guard areRuns else { throw .badInput("has masks of bits that make no sense") }
        return masks
    }

    func pixels() throws(Failure) -> [UInt8] {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(4 * size.width * size.height)
        let indices = coding == .plain ? [] : try runs()
        // Rows are padded to whole words.
        let stride = (size.width * bits + 31) / 32 * 4
        for y in 0..<size.height {
            let row = isTopDown ? y : size.height - 1 - y
            if coding != .plain {
                for index in indices[(row * size.width)..<((row + 1) * size.width)] {
                    put(Int(index), &pixels)
                }
            } else {
                guard let row = bytes.part(offset + row * stride, count: stride) else { throw Self.damaged }
                for x in 0..<size.width { put(value(row, x), &pixels) }
            }
        }
        return pixels
    }

    /// The number that stands for pixel `x` of a row.
    private func value(_ row: BoundedBytes, _ x: Int) -> Int {
        guard bits < 8 else { return row.number(x * bits / 8, size: bits / 8) ?? 0 }
        let byte = Int(row.bytes[x * bits / 8])
        return byte >> (8 - bits - x * bits % 8) & (1 << bits - 1)
    }

    private func put(_ value: Int, _ pixels: inout [UInt8]) {
        if masks.isEmpty {
            pixels += palette[(3 * value)..<(3 * value + 3)]
        } else {
            for mask in masks.prefix(3) { pixels.append(BitmapFile.level(value, mask)) }
        }
        pixels.append(masks.count == 4 ? BitmapFile.level(value, masks[3]) : 255)
    }

    private static func level(_ value: Int, _ mask: Int) -> UInt8 {
        let shift = mask.trailingZeroBitCount
        return UInt8(truncatingIfNeeded: (value & mask) >> shift * 255 / (mask >> shift))
    }

    /// The indices that runs unfold to, from the row that is stored first.
    private func runs() throws(Failure) -> [UInt8] {
        let (width, total) = (size.width, size.width * size.height)
        var indices: [UInt8] = []
        indices.reserveCapacity(total)
        var (offset, x) = (offset, 0)
        func nibbles(_ byte: Int) -> [UInt8] {
            coding == .runs8 ? [UInt8(byte)] : [UInt8(byte >> 4), UInt8(byte & 15)]
        }
        func zeros(_ count: Int) { indices += repeatElement(0, count: min(count, total - indices.count)) }
        reading: while indices.count < total, let count = bytes.number(offset, size: 1),
            let byte = bytes.number(offset + 1, size: 1)
        {
            offset += 2
            switch (count, byte) {
            case (0, 0):
                zeros((width - indices.count % width) % width)
                x = 0
            case (0, 1): break reading
            case (0, 2):
                guard let right = bytes.number(offset, size: 1), let up = bytes.number(offset + 1, size: 1)
                else { break reading }
                offset += 2
                zeros(right + up * width)
                x = indices.count % width
            case (0, _):
                let (wanted, perByte) = (min(byte, total - indices.count), coding == .runs8 ? 1 : 2)
                guard let part = bytes.part(offset, count: (wanted + perByte - 1) / perByte) else {
                    break reading
                }
                indices += part.bytes.flatMap { nibbles(Int($0)) }.prefix(wanted)
                x += byte
                offset += part.bytes.count
                // The next run begins at an even place.
                offset += offset & 1
            default:
                let run = nibbles(byte)
                // What is too much for a row is dropped.
                let length = min(count, max(0, width - x), total - indices.count)
                for index in 0..<length { indices.append(run[index % run.count]) }
                x += length
            }
        }
        guard indices.count == total else { throw Self.damaged }
        return indices
    }
}
