/// How a stored picture is turned to stand upright: the values of Exif's tag 0x0112.
enum ImageOrientation: UInt32 {
    case upright = 1
    case mirrored
    case upsideDown
    case flipped
    case transposed
    /// To be turned clockwise.
    case onLeftSide
    case transversed
    /// To be turned counter-clockwise.
    case onRightSide

    /// Whether width and height change places.
    private var swapsSides: Bool { rawValue >= 5 }

    /// The size of a picture after turning it.
    func upright(_ size: ImageSize) -> ImageSize {
        swapsSides ? ImageSize(width: size.height, height: size.width) : size
    }

    /// Turns a picture.
    func upright(_ picture: Picture) -> Picture {
        guard self != .upright else { return picture }
        let (width, height) = (picture.width, picture.height)
        let last = width * height - 1
        // Which stored pixel comes first, and how far on are the next to the right and the next below.
        let (origin, right, down) =
            switch self {
            case .upright: (0, 1, width)
            case .mirrored: (width - 1, -1, width)
            case .upsideDown: (last, -1, -width)
            case .flipped: (last - width + 1, 1, -width)
            case .transposed: (0, width, 1)
            case .onLeftSide: (last - width + 1, -width, 1)
            case .transversed: (last, -width, -1)
            case .onRightSide: (width - 1, width, -1)
            }
        let size = upright(picture.size)
        let pixels = [UInt8](unsafeUninitializedCapacity: picture.pixels.count) { output, initialized in
            picture.pixels.withUnsafeBufferPointer { input in
                for y in 0..<size.height {
                    var source = 3 * (origin + y * down)
                    for target in stride(from: 3 * y * size.width, to: 3 * (y + 1) * size.width, by: 3) {
                        for channel in 0..<3 { output[target + channel] = input[source + channel] }
                        source += 3 * right
                    }
                }
            }
            initialized = picture.pixels.count
        }
        return Picture(unchecked: pixels, size: size)
    }
}
