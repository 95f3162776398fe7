public import Storage

/// Reads JPEG, PNG and WebP pictures.
public struct ImageDecoder: Sendable {
    /// The most pixels a picture may have; checked against its header before anything is decoded.
    public var maximumPixels: Int

    /// The default is a limit at which the field's own loaders refuse, too: 2·(1 GiB / 4 / 3) pixels.
    public init(maximumPixels: Int = 178_956_970) { self.maximumPixels = maximumPixels }

    /// The size of the picture in a file, after turning it upright, from its header alone.
    ///
    /// - Throws: `io` when the file can't be read, `badInput` when it is no picture, `limit` when it is too large.
    public func size(file path: String) throws(Failure) -> ImageSize {
        throw .badInput("not yet", file: path)
    }

    /// Decodes the picture in a file: turned upright as its Exif data say, and laid over white where transparent.
    ///
    /// - Throws: `io` when the file can't be read, `badInput` when it is no picture or damaged, `limit` when it is too
    ///   large.
    public func decode(file path: String) throws(Failure) -> Picture {
        throw .badInput("not yet", file: path)
    }

    /// Decodes a picture in memory; `name` stands for it in errors.
    public func decode(_ bytes: UnsafeRawBufferPointer, name: String) throws(Failure) -> Picture {
        throw .badInput("not yet", file: name)
    }
}
