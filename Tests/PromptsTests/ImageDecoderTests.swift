import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct ImageDecoderTests {
    /// Every variant of the formats decodes to the pixels that Pillow makes of it.
    @Test func pixelsEqualReference() throws {
        for (name, expected) in (try Fixtures.json("pictures/expected.json").members ?? []).map({
            ($0.key, $0.value)
        }) {
            let file = Fixtures.path("pictures/\(name)")
            let picture = try ImageDecoder().decode(file: file)
            #expect(
                picture.width == expected["width"]?.int && picture.height == expected["height"]?.int,
                "\(name)")
            #expect(try SHA256.digest(picture.pixels).description == expected["sha256"]?.string, "\(name)")
            #expect(try ImageDecoder().size(file: file) == picture.size)
        }
    }

    @Test func otherFilesAreNamed() throws {
        let folder = try TemporaryDirectory()
        for content in ["", "just text\n", "RIFF1234WAVE", "\u{89}PNG"] {
            let file = try folder.write("picture.png", content)
            let refusal = failure { _ = try ImageDecoder().decode(file: file) }
            #expect(refusal?.message == "is not a \(ImageDecoder.formats) picture" && refusal?.file == file)
            #expect(refusal?.kind == .badInput && refusal?.remedy != nil)
            #expect(try !ImageDecoder.isPicture(file: file))
        }
        #expect(failure { _ = try ImageDecoder().decode(file: folder.path + "/none") }?.kind == .io)
    }

    /// A picture cut short anywhere is refused, naming the file, and never decoded halfway.
    @Test(arguments: [
        "grey.jpg", "progressive.jpg", "rgba.png", "interlaced.png", "alpha.webp", "lossy.webp",
        "animated_alpha.webp", "inside.gif", "palette4.bmp", "runs8.bmp", "tiled.tiff", "lzw.tiff",
        "grey.avif",
        "turned.heic",
    ])
    func truncatedPicturesAreRefused(name: String) throws {
        let bytes = try readFile(Fixtures.path("pictures/\(name)"))
        // What follows the pixels may be missing: a marker, a checksum, an empty chunk, Exif data.
        let tails = ["jpg": 2, "png": 24, "gif": 8, "bmp": 2]
        let tail = tails[String(name.suffix(3))] ?? (name.hasPrefix("animated") ? 300 : 100)
        for count in stride(from: 0, to: bytes.count - tail, by: 7) {
            let refusal = failure { _ = try decode(Array(bytes[..<count])) }
            #expect(refusal?.kind == .badInput, "\(name) cut to \(count)")
            #expect(refusal?.file == "picture")
        }
    }

    /// Damage may go unnoticed by a format without checksums, but never traps.
    @Test(arguments: [
        "grey.jpg", "exif6.jpg", "cmyk.jpg", "progressive.jpg", "rgba.png", "palette.png", "alpha.webp",
        "lossy.webp", "animated_alpha.webp", "inside.gif", "transparent.gif", "palette4.bmp", "bgra32.bmp",
        "runs8.bmp",
        "runs4.bmp", "core.bmp", "lzw.tiff", "packbits.tiff", "jpeg.tiff", "bilevel.tiff", "palette.tiff",
        "subsampled.avif",
        "xmp6.jpg", "xmp7_folded.png", "raw_exif_folded.png", "raw_exif.png",
    ])
    func damagedPicturesNeverTrap(name: String) throws {
        let bytes = try readFile(Fixtures.path("pictures/\(name)"))
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= UInt8(1 << (index % 8))
            _ = try? decode(damaged)
            damaged[index] = 0xFF
            _ = try? decode(damaged)
        }
    }

    /// A picture of a phone, which a property of its file turns, and its Exif data not once more. What coding loses is less
    /// than 24 levels; the colours are those of the corners before turning.
    @Test func theFormatOfPhonesIsRead() throws {
        let file = Fixtures.path("pictures/turned.heic")
        let picture = try ImageDecoder().decode(file: file)
        #expect(picture.size == ImageSize(width: 65, height: 100))
        #expect(try ImageDecoder().size(file: file) == picture.size)
        func expectNear(_ x: Int, _ y: Int, _ colour: [Int]) {
            let pixel = picture.pixels[(3 * (y * 65 + x))..<(3 * (y * 65 + x) + 3)].map(Int.init)
            #expect(zip(pixel, colour).allSatisfy { abs($0 - $1) < 24 }, "\(pixel) \(colour)")
        }
        // Red grows to the right and green downwards; turned clockwise, right is down and down is left.
        expectNear(62, 2, [1, 1, 6])
        expectNear(2, 2, [1, 227, 116])
        #expect(picture.pixels[3 * (97 * 65 + 32)] > 215)
    }

    /// 50,000 by 50,000 pixels are refused on the word of the header, before any memory is taken.
    @Test func hugePicturesAreRefused() throws {
        var bytes = try readFile(Fixtures.path("pictures/rgb_key.png"))
        bytes.replaceSubrange(16..<24, with: [0, 0, 0xC3, 0x50, 0, 0, 0xC3, 0x50])
        // The checksum of that header.
        bytes.replaceSubrange(29..<33, with: checksum(bytes[12..<29]))
        let refusal = failure { _ = try decode(bytes) }
        #expect(refusal?.kind == .limit)
        #expect(refusal?.message.contains("50000×50000") == true)
        let file = Fixtures.path("pictures/rgb_key.png")
        #expect(failure { _ = try ImageDecoder(maximumPixels: 100).size(file: file) }?.kind == .limit)
    }

    /// A PNG of grey pixels, one bit each, in rows that say nothing; other chunks come before its data.
    private func grey(_ width: Int, _ height: Int, chunks: [(String, [UInt8])] = []) -> [UInt8] {
        func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
            let named = Array(name.utf8) + data
            return word(data.count) + named + checksum(named[...])
        }
        func word(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) } }
        let rows = [UInt8](repeating: 0, count: (1 + (width + 7) / 8) * height)
        // zlib's stored blocks, so that no compressor is needed.
        var (data, sum): ([UInt8], (UInt32, UInt32)) = ([0x78, 0x01], (1, 0))
        for start in stride(from: 0, to: rows.count, by: 65535) {
            let block = rows[start..<min(rows.count, start + 65535)]
            let (low, high) = (UInt8(block.count & 0xFF), UInt8(block.count >> 8))
            data += [start + block.count == rows.count ? 1 : 0, low, high, ~low, ~high] + block
        }
        for byte in rows {
            sum = ((sum.0 + UInt32(byte)) % 65521, (sum.1 + (sum.0 + UInt32(byte)) % 65521) % 65521)
        }
        data += word(Int(sum.1 << 16 | sum.0))
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
            + chunk("IHDR", word(width) + word(height) + [1, 0, 0, 0, 0])
            + chunks.flatMap { chunk($0.0, $0.1) } + chunk("IDAT", data) + chunk("IEND", [])
    }

    /// The work of resizing grows with the longer side, however few pixels there are.
    @Test func thinPicturesAreRefusedByTheirHeader() throws {
        for (width, height) in [(65536, 1), (1, 70000)] {
            let refusal = failure { _ = try decode(grey(width, height)) }
            #expect(refusal?.kind == .limit && refusal?.file == "picture")
            #expect(refusal?.message.contains("a side may have 65535") == true)
        }
        let square = ImagePreprocessor.qwenVL(side: 28, patchSize: 14, tokens: 4)
        #expect(try square.patches(try decode(grey(65535, 1))).grid == PatchGrid(t: 1, h: 2, w: 2))
        #expect(
            failure { _ = try ImageDecoder().check(ImageSize(width: .max, height: .max)) }?.kind == .limit)
    }

    /// Texts and profiles are neither unfolded nor kept, and change nothing.
    @Test func chunksWithoutPixelsArePassedOver() throws {
        let text = Array("Comment".utf8) + [0, 0, 0x78, 0x9C, 1, 2, 3]
        let many = (0..<2000).map { _ in ("zTXt", text) } + [("iCCP", text), ("iTXt", text), ("tEXt", text)]
        #expect(try decode(grey(9, 5, chunks: many)) == decode(grey(9, 5)))
    }

    /// A scan takes a dozen bytes to ask for, and work for every pixel.
    @Test func manyScansAreRefused() throws {
        let bytes = try readFile(Fixtures.path("pictures/progressive.jpg"))
        let scans = bytes.withUnsafeBytes { JPEGScans($0).count }
        #expect(scans > 1 && scans <= JPEGScans.most)
        // Its last scan over and over.
        let starts = bytes.indices.dropLast().filter { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA }
        let last = bytes[(try #require(starts.last))..<(bytes.count - 2)]
        let bomb = bytes.dropLast(2) + (0..<JPEGScans.most).flatMap { _ in last } + bytes.suffix(2)
        let refusal = failure { _ = try decode(Array(bomb)) }
        #expect(refusal?.kind == .limit && refusal?.message.contains("scans") == true)
        for cut in 0..<64 {
            _ = bytes.prefix(cut).withUnsafeBufferPointer { JPEGScans(UnsafeRawBufferPointer($0)).count }
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> Picture {
        try bytes.withUnsafeBytes { try ImageDecoder(maximumPixels: 1 << 20).decode($0, name: "picture") }
    }

    /// CRC-32 as PNG has it, big-endian.
    private func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var value = UInt32.max
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
        return withUnsafeBytes(of: (~value).bigEndian) { Array($0) }
    }
}
