internal import CImageCodecs
public import Storage

/// Reads JPEG, PNG and WebP pictures.
///
/// Pixels are those that Pillow makes of the same file, with one exception: of 16-bit grey the upper eight bits are
/// taken, where Pillow cuts everything above 255 off.
public struct ImageDecoder: Sendable {
    /// The most pixels a picture may have; checked against its header before anything is decoded.
    public var maximumPixels: Int

    /// The most pixels a side may have, as in JPEG: the work of resizing grows with the longer side, however thin a picture is.
    public static let longestSide = 65_535
    /// Bytes that decoding may take for a pixel: a progressive JPEG keeps six of coefficients beside its three.
    private static let bytesPerPixel = 9

    /// The default, 1 GiB / 4 / 3 · 2, is the limit at which Pillow refuses, too.
    public init(maximumPixels: Int = 178_956_970) { self.maximumPixels = maximumPixels }

    /// The size of the picture in a file, after turning it upright, from its header alone.
    ///
    /// - Throws: `io` when the file can't be read, `badInput` when it is no picture, `limit` when it is too large.
    public func size(
        file path: String, _ reading: ImagePreprocessor.Reading = .composed
    ) throws(Failure) -> ImageSize {
        let file = try MappedFile(path)
        defer { withExtendedLifetime(file) {} }
        let header = try header(file.bytes, name: path)
        return reading == .composed ? header.orientation.upright(header.size) : header.size
    }

    /// Decodes the picture in a file: turned upright as its Exif data say, and laid over white where transparent,
    /// unless it is to be read as stored.
    ///
    /// - Throws: `io` when the file can't be read, `badInput` when it is no picture or damaged, `limit` when it is too
    ///   large.
    public func decode(
        file path: String, _ reading: ImagePreprocessor.Reading = .composed
    ) throws(Failure) -> Picture {
        let file = try MappedFile(path)
        defer { withExtendedLifetime(file) {} }
        return try decode(file.bytes, name: path, reading)
    }

    /// Decodes a picture in memory; `name` stands for it in errors.
    public func decode(
        _ bytes: UnsafeRawBufferPointer, name: String, _ reading: ImagePreprocessor.Reading = .composed
    ) throws(Failure) -> Picture {
        let header = try header(bytes, name: name)
        do {
            if header.format == .jpeg { try JPEGScans(bytes).check() }
            try Machine.checkMemory(
                for: "decoding \(header.size.width)×\(header.size.height) pixels",
                header.size.width * header.size.height * ImageDecoder.bytesPerPixel)
        } catch { throw error.located(in: name) }
        let picture = Picture(
            unchecked: try Self.pixels(bytes, header, name: name, reading), size: header.size)
        return reading == .composed ? header.orientation.upright(picture) : picture
    }

    /// What a picture's header says.
    private struct Header {
        var format: ImageFormat
        var image: tessera_image
        var orientation: ImageOrientation

        /// As stored, before turning.
        var size: ImageSize { ImageSize(width: Int(image.width), height: Int(image.height)) }
    }

    private func header(_ bytes: UnsafeRawBufferPointer, name: String) throws(Failure) -> Header {
        guard let format = ImageFormat(bytes) else {
            throw .badInput("is not a JPEG, PNG or WebP picture", file: name)
        }
        var image = tessera_image()
        var message = [CChar](repeating: 0, count: Int(TESSERA_IMAGE_MESSAGE_SIZE))
        let status = tessera_image_read_header(
            format.codec, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &image, &message)
        guard status == 0, image.width > 0, image.height > 0 else {
            throw .badInput("cannot be read as a picture: \(Self.text(message))", file: name)
        }
        let header = Header(format: format, image: image, orientation: ImageOrientation(of: bytes, format))
        do { try check(header.size) } catch { throw error.located(in: name) }
        return header
    }

    /// Refuses pictures that would take too much memory or work.
    /// - Throws: `limit`.
    public func check(_ size: ImageSize) throws(Failure) {
        let (pixels, overflow) = size.width.multipliedReportingOverflow(by: size.height)
        guard !overflow, pixels <= maximumPixels else {
            throw Failure(
                .limit, "has \(size.width)×\(size.height) pixels, more than the \(maximumPixels) allowed")
        }
        guard max(size.width, size.height) <= ImageDecoder.longestSide else {
            throw Failure(
                .limit,
                "has \(size.width)×\(size.height) pixels; a side may have \(ImageDecoder.longestSide)",
                remedy: "crop it")
        }
    }

    /// Decodes to 8-bit RGB, not yet turned.
    private static func pixels(
        _ bytes: UnsafeRawBufferPointer, _ header: Header, name: String, _ reading: ImagePreprocessor.Reading
    ) throws(Failure) -> [UInt8] {
        var image = header.image
        var message = [CChar](repeating: 0, count: Int(TESSERA_IMAGE_MESSAGE_SIZE))
        let count = header.size.width * header.size.height
        var isDecoded = false
        let pixels = [UInt8](unsafeUninitializedCapacity: count * Int(image.channels)) {
            buffer, initialized in
            let status = tessera_image_decode(
                header.format.codec, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &image,
                buffer.baseAddress, &message)
            guard status == 0, let base = buffer.baseAddress else { return }
            isDecoded = true
            // Three bytes a pixel are written behind the four that are read.
            if image.is_cmyk != 0 {
                tessera_image_cmyk_to_rgb(base, count, base)
            } else if image.channels == 4 {
                switch reading {
                case .composed: tessera_image_flatten(base, count, base)
                case .stored: tessera_image_drop_alpha(base, count, base)
                }
            }
            initialized = count * 3
        }
        guard isDecoded else { throw .badInput("is a damaged picture: \(text(message))", file: name) }
        return pixels
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
