import Prompts
import Storage
import TestSupport

extension FuzzTarget {
    /// Every format of pictures, as far as their pixels.
    static let picture = FuzzTarget(
        name: "picture", maximumLength: 3328,
        words: [
            "\u{FF}\u{D8}\u{FF}", "Exif\0\0", "II*\0", "MM\0*", "IHDR", "IDAT", "PLTE", "tRNS", "eXIf",
            "IEND", "RIFF", "WEBP",
            "VP8 ", "VP8L", "VP8X", "EXIF", "ANIM", "GIF89a", "BM", "ftyp", "avif", "heic",
            "tiff:Orientation",
        ],
        seeds: {
            let folder = Fixtures.path("pictures")
            return try Path.list(folder).filter { !$0.hasSuffix(".json") }.map {
                try readFile(Path.join(folder, $0))
            }
        },
        read: { bytes in
            // Pictures of more pixels take time, and nothing else is done to them.
            let decoder = ImageDecoder(maximumPixels: 1 << 14)
            let path = MemoryFile.shared.holding(bytes)
            let size = try decoder.size(file: path)
            let picture = try decoder.decode(file: path)
            require(picture.size == size, "the header says another size")
            require(picture.pixels.count == 3 * size.width * size.height, "has other pixels")
        })
}
