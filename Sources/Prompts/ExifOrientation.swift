extension ImageOrientation {
    /// What a picture's Exif data say: in a JPEG's first `Exif` APP1 segment, a PNG's `eXIf` or a WebP's `EXIF` chunk.
    /// Upright when there are none or they make no sense.
    init(of picture: UnsafeRawBufferPointer, _ format: ImageFormat) {
        let bytes = BoundedBytes(picture)
        let exif =
            switch format {
            case .jpeg: bytes.exifInJPEG()
            case .png: bytes.chunk("eXIf", from: 8, headerSize: 8, lengthAt: 0, nameAt: 4, trailerSize: 4)
            case .webp: bytes.chunk("EXIF", from: 12, headerSize: 8, lengthAt: 4, nameAt: 0, trailerSize: 0)
            }
        self = exif?.orientationInTIFF() ?? .upright
    }
}

/// Bytes that answer nil outside their bounds.
private struct BoundedBytes {
    private let bytes: UnsafeRawBufferPointer
    /// Of numbers; Exif data state their own.
    private var isLittleEndian = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private func number(_ offset: Int, size: Int) -> Int? {
        guard let bytes = part(offset, count: size)?.bytes else { return nil }
        let value = { (sum: Int, byte: UInt8) in sum << 8 | Int(byte) }
        return isLittleEndian ? bytes.reversed().reduce(0, value) : bytes.reduce(0, value)
    }

    private func part(_ offset: Int, count: Int) -> BoundedBytes? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            return nil
        }
        return BoundedBytes(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)]))
    }

    private func hasText(_ text: String, at offset: Int) -> Bool {
        part(offset, count: text.utf8.count)?.bytes.elementsEqual(text.utf8) ?? false
    }

    /// Walks a JPEG's segments up to the first scan.
    func exifInJPEG() -> BoundedBytes? {
        var offset = 2
        while let prefix = number(offset, size: 1), prefix == 0xFF, let marker = number(offset + 1, size: 1) {
            switch marker {
            case 0xFF: offset += 1
            case 0x01, 0xD0...0xD8: offset += 2
            case 0xD9, 0xDA: return nil
            default:
                guard let length = number(offset + 2, size: 2), length >= 2 else { return nil }
                if marker == 0xE1, hasText("Exif\0\0", at: offset + 4) {
                    return part(offset + 4, count: length - 2)?.withoutExifPrefix()
                }
                offset += 2 + length
            }
        }
        return nil
    }

    /// Walks the chunks of a PNG or, with little-endian lengths and chunks padded to even sizes, a WebP file.
    func chunk(
        _ name: String, from start: Int, headerSize: Int, lengthAt: Int, nameAt: Int, trailerSize: Int
    ) -> BoundedBytes? {
        var numbers = self
        numbers.isLittleEndian = trailerSize == 0
        var offset = start
        while let length = numbers.number(offset + lengthAt, size: 4) {
            if hasText(name, at: offset + nameAt) {
                return part(offset + headerSize, count: length)?.withoutExifPrefix()
            }
            offset += headerSize + length + trailerSize + (trailerSize == 0 ? length & 1 : 0)
        }
        return nil
    }

    /// Exif data proper, which some writers let follow `Exif` and two zeros.
    private func withoutExifPrefix() -> BoundedBytes? {
        hasText("Exif\0\0", at: 0) ? part(6, count: bytes.count - 6) : self
    }

    /// The orientation in the first directory of a TIFF structure.
    func orientationInTIFF() -> ImageOrientation? {
        var tiff = self
        guard hasText("II*\0", at: 0) || hasText("MM\0*", at: 0) else { return nil }
        tiff.isLittleEndian = hasText("II", at: 0)
        guard let directory = tiff.number(4, size: 4), let count = tiff.number(directory, size: 2) else {
            return nil
        }
        for index in 0..<count {
            let entry = directory + 2 + 12 * index
            guard let tag = tiff.number(entry, size: 2), let type = tiff.number(entry + 2, size: 2) else {
                return nil
            }
            guard tag == 0x0112 else { continue }
            // Type 3 is a 16-bit number, 4 a 32-bit one.
            guard let value = tiff.number(entry + 8, size: type == 4 ? 4 : 2) else { return nil }
            return ImageOrientation(rawValue: UInt32(value))
        }
        return nil
    }
}
