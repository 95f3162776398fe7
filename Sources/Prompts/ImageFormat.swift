internal import CImageCodecs

/// The picture formats that are read.
enum ImageFormat {
    case jpeg
    case png
    case webp
    case tiff
    case heic
    case avif
    case gif
    case bmp

    /// Recognizes a format by its first bytes; nil when it is none of them.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let starts: [(ImageFormat, [UInt8])] = [
            (.jpeg, [0xFF, 0xD8, 0xFF]), (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
            (.tiff, Array("II*\0".utf8)), (.tiff, Array("MM\0*".utf8)), (.tiff, Array("II+\0".utf8)),
            (.tiff, Array("MM\0+".utf8)), (.gif, Array("GIF87a".utf8)), (.gif, Array("GIF89a".utf8)),
        ]
        if let known = starts.first(where: { bytes.starts(with: $0.1) }) {
            self = known.0
        } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            self = .webp
        } else if let container = ImageFormat.container(BoundedBytes(bytes)) {
            self = container
        } else if bytes.starts(with: "BM".utf8), bytes.count > 18, bytes[15...17].allSatisfy({ $0 == 0 }) {
            // Two letters alone are too common: the size of the next header is small.
            self = .bmp
        } else {
            return nil
        }
    }

    /// Tells HEIC and AVIF from other ISO base media, such as videos, by the brands that a file names.
    private static func container(_ bytes: BoundedBytes) -> ImageFormat? {
        guard bytes.hasText("ftyp", at: 4), let size = bytes.number(0, size: 4) else { return nil }
        let brands = stride(from: 8, to: min(size, 256), by: 4).compactMap { offset in
            offset == 12
                ? nil : bytes.part(offset, count: 4).map { String(decoding: $0.bytes, as: UTF8.self) }
        }
        if brands.contains(where: { ["avif", "avis"].contains($0) }) { return .avif }
        let known = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1"]
        return brands.contains { known.contains($0) } ? .heic : nil
    }

    /// The format as the C functions name it; nil for what is read in Swift.
    var codec: tessera_image_format? {
        switch self {
        case .jpeg: TESSERA_IMAGE_JPEG
        case .png: TESSERA_IMAGE_PNG
        case .webp: TESSERA_IMAGE_WEBP
        case .tiff: TESSERA_IMAGE_TIFF
        case .heic: TESSERA_IMAGE_HEIC
        case .avif: TESSERA_IMAGE_AVIF
        case .gif, .bmp: nil
        }
    }

    /// Bytes that decoding may take for a pixel: a progressive JPEG keeps six of coefficients beside its three; others keep
    /// planes or canvases of their own.
    var bytesPerPixel: Int {
        switch self {
        case .jpeg, .png: 9
        case .webp, .tiff, .heic, .avif, .gif, .bmp: 16
        }
    }
}
