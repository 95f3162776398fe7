/// The size of a picture, in pixels.
public struct ImageSize: Equatable, Hashable, Sendable {
    /// Pixels from left to right.
    public var width: Int
    /// Pixels from top to bottom.
    public var height: Int

    /// A size from its sides.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

/// A decoded picture: 8-bit red, green, blue, upright and opaque.
public struct Picture: Equatable, Sendable {
    /// Both sides positive.
    public let size: ImageSize
    /// height·width·3 bytes, rows from the top.
    public let pixels: [UInt8]

    /// Pixels from left to right.
    public var width: Int { size.width }
    /// Pixels from top to bottom.
    public var height: Int { size.height }

    /// A picture from its pixels; nil when there are not height·width·3 of them or a side is not positive.
    public init?(size: ImageSize, pixels: [UInt8]) {
        let (count, overflow) = size.width.multipliedReportingOverflow(by: size.height)
        guard size.width > 0, size.height > 0, !overflow, count <= Int.max / 3, pixels.count == count * 3
        else {
            return nil
        }
        self.init(unchecked: pixels, size: size)
    }

    /// A picture whose size is known to fit.
    init(unchecked pixels: [UInt8], size: ImageSize) {
        self.pixels = pixels
        self.size = size
    }
}
