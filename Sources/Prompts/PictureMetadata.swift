internal import CImageCodecs

/// What a picture carries beside its pixels that may say how it is turned, found where Pillow 13 finds it.
struct PictureMetadata {
    /// A TIFF structure.
    private(set) var exif: [UInt8]?
    /// An XMP packet.
    private(set) var xmp: [UInt8]?

    init(_ picture: UnsafeRawBufferPointer, _ format: ImageFormat) {
        let bytes = BoundedBytes(picture)
        switch format {
        case .jpeg: readJPEG(bytes)
        case .png: readPNG(bytes)
        case .webp: readWebP(BoundedBytes(picture, isLittleEndian: true))
        // A TIFF file is such a structure itself.
        case .tiff: xmp = bytes.xmpInTIFF().map { Array($0.bytes) }
        // Files that turn pictures by properties of their own, and formats without either.
        case .heic, .avif, .gif, .bmp: break
        }
        exif = exif.map(PictureMetadata.withoutPrefix)
    }

    /// Exif data proper, which writers let follow `Exif` and two zeros, at times twice.
    private static func withoutPrefix(_ exif: [UInt8]) -> [UInt8] {
        var rest = exif[...]
        for _ in 0..<2 where rest.starts(with: "Exif\0\0".utf8) { rest = rest.dropFirst(6) }
        return Array(rest)
    }

    // MARK: JPEG

    /// Walks a JPEG's segments up to the first scan. Exif data may go on in further segments; of XMP the last counts.
    private mutating func readJPEG(_ bytes: BoundedBytes) {
        let name = "http://ns.adobe.com/xap/1.0/\0"
        var offset = 2
        while let prefix = bytes.number(offset, size: 1), let marker = bytes.number(offset + 1, size: 1) {
            switch (prefix, marker) {
            // What stands between segments is passed over.
            case (0..<0xFF, _), (_, 0xFF): offset += 1
            case (_, 0x00), (_, 0x01), (_, 0xD0...0xD8): offset += 2
            case (_, 0xD9), (_, 0xDA): return
            default:
                guard let length = bytes.number(offset + 2, size: 2), length >= 2 else { return }
                if marker == 0xE1, let segment = bytes.part(offset + 4, count: length - 2) {
                    if segment.hasText("Exif\0\0", at: 0) {
                        exif = (exif ?? []) + segment.bytes.dropFirst(6)
                    } else if segment.hasText(name, at: 0) {
                        xmp = Array(segment.bytes.dropFirst(name.utf8.count))
                    }
                }
                offset += 2 + length
            }
        }
    }

    // MARK: WebP

    /// Walks the chunks of a WebP file, which are padded to even sizes. The first of a kind counts.
    private mutating func readWebP(_ bytes: BoundedBytes) {
        var offset = 12
        while let length = bytes.number(offset + 4, size: 4) {
            let content = bytes.part(offset + 8, count: length).map { Array($0.bytes) }
            if bytes.hasText("EXIF", at: offset) { exif = exif ?? content }
            if bytes.hasText("XMP ", at: offset) { xmp = xmp ?? content }
            offset += 8 + length + length & 1
        }
    }

    // MARK: PNG

    /// Texts that are looked at unfold to a mebibyte each and no more than this together.
    private static let mostText = 64 << 20

    /// Walks a PNG's chunks, those behind the pixels too, up to its end or the second frame of an animated one. Of each kind
    /// the last counts; Exif data of their own go before those in a text.
    private mutating func readPNG(_ bytes: BoundedBytes) {
        var (profile, text): ([UInt8]?, [UInt8]?)
        var (isAnimated, hasPixels) = (false, false)
        var room = PictureMetadata.mostText
        var offset = 8
        while let length = bytes.number(offset, size: 4), let chunk = bytes.part(offset + 8, count: length) {
            let name = bytes.part(offset + 4, count: 4).map { String(decoding: $0.bytes, as: UTF8.self) }
            offset += 12 + length
            switch name {
            case "IEND": offset = bytes.bytes.count
            case "fcTL" where isAnimated && hasPixels: offset = bytes.bytes.count
            case "acTL": isAnimated = (chunk.number(0, size: 4) ?? 0) > 1
            case "IDAT": hasPixels = true
            case "eXIf": exif = Array(chunk.bytes)
            case "tEXt", "zTXt", "iTXt":
                guard let entry = PNGText(chunk, name ?? "", room: &room) else { break }
                switch entry.keyword {
                case "exif" where name == "tEXt": exif = entry.text
                case "Raw profile type exif": profile = entry.text
                case "XML:com.adobe.xmp": text = entry.text
                default: break
                }
            default: break
            }
        }
        exif = exif ?? profile.flatMap(PictureMetadata.unhex)
        xmp = text
    }

    /// The bytes of a raw profile as ImageMagick writes it: after three lines, in hexadecimal digits.
    static func unhex(_ text: [UInt8]) -> [UInt8]? {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropFirst(3)
        let digits = lines.joined().filter { !" \t\r\u{B}\u{C}".utf8.contains($0) }
        let values = digits.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard values.count == digits.count, values.count % 2 == 0 else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}

/// A text chunk of a PNG that may say how the picture is turned.
private struct PNGText {
    let keyword: String
    let text: [UInt8]

    /// Nil for other keywords, for what is damaged, and where it is longer than a mebibyte or than `room`, which it takes.
    init?(_ chunk: BoundedBytes, _ kind: String, room: inout Int) {
        let parts = chunk.bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count < 80 else { return nil }
        keyword = String(decoding: parts[0], as: UTF8.self)
        guard ["exif", "Raw profile type exif", "XML:com.adobe.xmp"].contains(keyword) else { return nil }
        var rest = parts[1]
        var isFolded = kind == "zTXt"
        if kind == "iTXt" {
            // Whether it is compressed, how, the language, the keyword in that language.
            let flags = Array(rest.prefix(2))
            let fields = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
            guard flags.count == 2, fields.count == 3, flags[0] == 0 || flags[1] == 0 else { return nil }
            (isFolded, rest) = (flags[0] != 0, fields[2])
        } else if isFolded {
            guard rest.first == 0 else { return nil }
            rest = rest.dropFirst()
        }
        guard let text = isFolded ? PNGText.unfold(rest, min(room, 1 << 20)) : Array(rest) else { return nil }
        if isFolded { room -= text.count }
        self.text = text
    }

    private static func unfold(_ data: Slice<UnsafeRawBufferPointer>, _ room: Int) -> [UInt8]? {
        let folded = Array(data)
        var isWhole = false
        let text = [UInt8](unsafeUninitializedCapacity: max(1, room)) { buffer, initialized in
            let count = tessera_image_inflate(folded, folded.count, buffer.baseAddress, max(0, room))
            isWhole = count >= 0
            initialized = max(0, count)
        }
        return isWhole ? text : nil
    }
}
