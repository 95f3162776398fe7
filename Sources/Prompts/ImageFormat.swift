internal import CImageCodecs

/// The picture formats that are read.
enum ImageFormat {
    case jpeg
    case png
    case webp

    /// Recognizes a format by its first bytes; nil when it is none of them.
    init?(_ bytes: UnsafeRawBufferPointer) {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            self = .webp
        } else {
            return nil
        }
    }

    /// The format as the C functions name it.
    var codec: tessera_image_format {
        switch self {
        case .jpeg: TESSERA_IMAGE_JPEG
        case .png: TESSERA_IMAGE_PNG
        case .webp: TESSERA_IMAGE_WEBP
        }
    }
}
