/// The size of a picture, in pixels.
public struct ImageSize: Equatable, Hashable, Sendable {
    public var width: Int
    public var height: Int

    /// A size from its sides.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

/// A decoded picture: 8-bit red, green, blue, upright and opaque.
public struct Picture: Equatable, Sendable {
    public let width: Int
    public let height: Int
    /// height·width·3 bytes, rows from the top.
    public let pixels: [UInt8]

    /// A picture from its pixels; nil when there are not height·width·3 of them or a side is not positive.
    public init?(width: Int, height: Int, pixels: [UInt8]) {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, count <= Int.max / 3, pixels.count == count * 3 else { return nil }
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// A picture whose size is known to fit.
    init(unchecked pixels: [UInt8], width: Int, height: Int) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}
