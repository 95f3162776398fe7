extension ImageOrientation {
    /// How a picture says that it is turned, as Pillow 13 reads it: by Exif data, and only where these have no such tag by
    /// XMP. Upright when nothing does or it makes no sense.
    init(of picture: UnsafeRawBufferPointer, _ format: ImageFormat) {
        let metadata = PictureMetadata(picture, format)
        let tag = metadata.exif.flatMap { exif in
            exif.withUnsafeBytes { BoundedBytes($0).orientationInTIFF() }
        }
        self = (tag ?? metadata.xmp.flatMap(Self.inXMP)).flatMap(ImageOrientation.init(rawValue:)) ?? .upright
    }

    /// The first `tiff:Orientation="6"` or `tiff:Orientation>6` of an XMP packet.
    static func inXMP(_ text: [UInt8]) -> UInt32? {
        let name = Array("tiff:Orientation".utf8)
        var rest = text[...]
        while let start = rest.firstIndex(of: name[0]) {
            rest = rest[start...]
            guard rest.starts(with: name) else {
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst(name.count)
            let value = rest.starts(with: "=\"".utf8) ? rest.dropFirst(2) : rest.dropFirst()
            if rest.starts(with: "=\"".utf8) || rest.first == UInt8(ascii: ">"), let digit = value.first,
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit)
            {
                return UInt32(digit - UInt8(ascii: "0"))
            }
        }
        return nil
    }
}

extension BoundedBytes {
    /// The orientation in the first directory of a TIFF structure; nil when it has none, 0 when it is no number.
    func orientationInTIFF() -> UInt32? {
        guard let (tiff, entry) = entry(0x0112) else { return nil }
        guard tiff.number(entry + 4, size: 4) == 1 else { return 0 }
        // Kinds of 16-bit and of 32-bit numbers.
        let sizes = [3: 2, 8: 2, 4: 4, 9: 4, 13: 4]
        let size = tiff.number(entry + 2, size: 2).flatMap { sizes[$0] }
        return size.flatMap { tiff.number(entry + 8, size: $0) }.flatMap(UInt32.init(exactly:)) ?? 0
    }

    /// The XMP packet in the first directory of a TIFF file.
    func xmpInTIFF() -> BoundedBytes? {
        guard let (tiff, entry) = entry(700), let count = tiff.number(entry + 4, size: 4), count > 4,
            let offset = tiff.number(entry + 8, size: 4)
        else { return nil }
        return tiff.part(offset, count: count)
    }

    /// The structure with its order of bytes, and where the last entry of this tag begins.
    private func entry(_ tag: Int) -> (tiff: BoundedBytes, offset: Int)? {
        let marks = ["II*\0", "MM\0*", "MM*\0", "II\0*"]
        guard marks.contains(where: { hasText($0, at: 0) }) else { return nil }
        let tiff = BoundedBytes(bytes, isLittleEndian: hasText("II", at: 0))
        guard let directory = tiff.number(4, size: 4), let count = tiff.number(directory, size: 2) else {
            return nil
        }
        var found: Int?
        for index in 0..<count {
            let entry = directory + 2 + 12 * index
            guard let own = tiff.number(entry, size: 2), tiff.part(entry, count: 12) != nil else { break }
            if own == tag { found = entry }
        }
        return found.map { (tiff, $0) }
    }
}
