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
            #expect(refusal == .badInput("is not a JPEG, PNG or WebP picture", file: file))
        }
        #expect(failure { _ = try ImageDecoder().decode(file: folder.path + "/none") }?.kind == .io)
    }

    /// A picture cut short anywhere is refused, naming the file, and never decoded halfway.
    @Test(arguments: [
        "grey.jpg", "progressive.jpg", "rgba.png", "interlaced.png", "alpha.webp", "lossy.webp",
    ])
    func truncatedPicturesAreRefused(name: String) throws {
        let bytes = try readFile(Fixtures.path("pictures/\(name)"))
        // What follows the pixels may be missing: a marker, a checksum, an empty chunk, Exif data.
        let tail = name.hasSuffix("jpg") ? 2 : name.hasSuffix("png") ? 24 : 100
        for count in stride(from: 0, to: bytes.count - tail, by: 7) {
            let refusal = failure { _ = try decode(Array(bytes[..<count])) }
            #expect(refusal?.kind == .badInput, "\(name) cut to \(count)")
            #expect(refusal?.file == "picture")
        }
    }

    /// Damage may go unnoticed by a format without checksums, but never traps.
    @Test(arguments: [
        "grey.jpg", "exif6.jpg", "cmyk.jpg", "progressive.jpg", "rgba.png", "palette.png", "alpha.webp",
        "lossy.webp",
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
