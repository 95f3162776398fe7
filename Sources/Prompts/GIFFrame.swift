import Storage

/// The first frame of a GIF file, on its canvas.
struct GIFFrame: StoredPicture {
    let size: ImageSize
    var hasAlpha: Bool { transparent != nil }

    private let bytes: BoundedBytes
    /// Red, green, blue of each index; what a file does not state is grey.
    private var palette: [UInt8] = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }
    /// The index that shows nothing.
    private var transparent: UInt8?
    private let (left, top, width, height): (Int, Int, Int, Int)
    private let isInterlaced: Bool
    /// Bits of an index, and where its blocks of codes begin.
    private let (bits, start): (Int, Int)

    /// Reads everything but the pixels.
    /// - Throws: `badInput` when the file is damaged.
    init(_ picture: UnsafeRawBufferPointer) throws(Failure) {
        bytes = BoundedBytes(picture, isLittleEndian: true)
        let damaged = Self.damaged
        guard let width = bytes.number(6, size: 2), let height = bytes.number(8, size: 2),
            let flags = bytes.number(10, size: 1)
        else { throw damaged }
        var offset = 13
        try GIFFrame.readPalette(bytes, flags, &offset, &palette)
        while let block = bytes.number(offset, size: 1), block != 0x2C {
            offset += 1
            guard block != 0x3B else { break }
            guard block == 0x21 else { continue }
            // A graphic control extension.
            if bytes.number(offset, size: 1) == 0xF9, let flags = bytes.number(offset + 2, size: 1),
                let index = bytes.number(offset + 5, size: 1), flags & 1 == 1
            {
                transparent = UInt8(index)
            }
            offset += 1
            while let count = bytes.number(offset, size: 1), count > 0 { offset += 1 + count }
            offset += 1
        }
        guard bytes.number(offset, size: 1) == 0x2C, let left = bytes.number(offset + 1, size: 2),
            let top = bytes.number(offset + 3, size: 2), let across = bytes.number(offset + 5, size: 2),
            let down = bytes.number(offset + 7, size: 2), let local = bytes.number(offset + 9, size: 1)
        else { throw damaged }
        offset += 10
        try GIFFrame.readPalette(bytes, local, &offset, &palette)
        guard let bits = bytes.number(offset, size: 1), (1...11).contains(bits) else { throw damaged }
        (self.left, self.top, self.width, self.height) = (left, top, across, down)
        (self.bits, start, isInterlaced) = (bits, offset + 1, local & 64 != 0)
        size = ImageSize(width: max(width, left + across), height: max(height, top + down))
    }

    private static func readPalette(
        _ bytes: BoundedBytes, _ flags: Int, _ offset: inout Int, _ palette: inout [UInt8]
    ) throws(Failure) {
        guard flags & 128 != 0 else { return }
        guard let colours = bytes.part(offset, count: 3 << (flags & 7 + 1)) else { throw damaged }
        palette.replaceSubrange(0..<colours.bytes.count, with: colours.bytes)
        offset += colours.bytes.count
    }

    func pixels() throws(Failure) -> [UInt8] {
        var codes = GIFCodes(bytes, start, bits: bits)
        let indices = try codes.indices(width * height)
        var pixels: [UInt8] = []
        pixels.reserveCapacity(4 * size.width * size.height)
        // What the frame leaves free is of the first colour, or shows nothing.
        let free = transparent ?? 0
        let rows = rowOrder()
        for y in 0..<size.height {
            for x in 0..<size.width {
                let isInside = x >= left && x < left + width && y >= top && y < top + height
                let index = isInside ? indices[rows[y - top] * width + x - left] : free
                let colour = 3 * Int(index)
                pixels += palette[colour..<(colour + 3)]
                pixels.append(index == transparent ? 0 : 255)
            }
        }
        return pixels
    }

    /// Which stored row each row of the frame is.
    private func rowOrder() -> [Int] {
        guard isInterlaced else { return Array(0..<height) }
        let passes = [(0, 8), (4, 8), (2, 4), (1, 2)]
        var order = [Int](repeating: 0, count: height)
        let stored = passes.flatMap { Array(stride(from: $0.0, to: height, by: $0.1)) }
        for (place, row) in stored.enumerated() { order[row] = place }
        return order
    }
}

/// The codes of a frame: variable in length, least significant bit first, in blocks of up to 255 bytes.
private struct GIFCodes {
    private let bytes: BoundedBytes
    private var offset: Int
    private var left = 0
    private var (buffer, buffered) = (0, 0)
    private let clear: Int
    private let bits: Int
    /// Of each code the one that it continues, and its last index.
    private var prefixes = [Int](repeating: 0, count: 4096)
    private var suffixes = [UInt8](repeating: 0, count: 4096)

    init(_ bytes: BoundedBytes, _ offset: Int, bits: Int) {
        (self.bytes, self.offset, self.bits) = (bytes, offset, bits)
        clear = 1 << bits
    }

    /// The first `count` indices.
    mutating func indices(_ count: Int) throws(Failure) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(count)
        var (size, next) = (bits + 1, clear + 2)
        var last: Int?
        var first: UInt8 = 0
        var run: [UInt8] = []
        while output.count < count {
            guard let code = code(size), code != clear + 1 else { throw GIFFrame.damaged }
            guard code != clear else {
                (size, next, last) = (bits + 1, clear + 2, nil)
                continue
            }
            // The code that is about to be made is the last with its own first index behind it.
            guard code < next || (code == next && last != nil), last != nil || code < clear else {
                throw GIFFrame.damaged
            }
            run.removeAll(keepingCapacity: true)
            var rest = code
            if let last, code == next {
                run.append(first)
                rest = last
            }
            while rest > clear {
                run.append(suffixes[rest])
                rest = prefixes[rest]
            }
            first = UInt8(truncatingIfNeeded: rest)
            run.append(first)
            output += run.reversed().prefix(count - output.count)
            if let last, next < 4096 {
                (prefixes[next], suffixes[next]) = (last, first)
                next += 1
                if next == 1 << size, size < 12 { size += 1 }
            }
            last = code
        }
        return output
    }

    private mutating func code(_ size: Int) -> Int? {
        while buffered < size {
            if left == 0 {
                guard let count = bytes.number(offset, size: 1), count > 0 else { return nil }
                (left, offset) = (count, offset + 1)
            }
            guard let byte = bytes.number(offset, size: 1) else { return nil }
            buffer |= byte << buffered
            (buffered, left, offset) = (buffered + 8, left - 1, offset + 1)
        }
        defer { (buffer, buffered) = (buffer >> size, buffered - size) }
        return buffer & (1 << size - 1)
    }
}
