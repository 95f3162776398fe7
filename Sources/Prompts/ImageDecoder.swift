internal import CImageCodecs
public import Storage

/// Reads JPEG, PNG, WebP, TIFF, HEIC, AVIF, GIF and BMP pictures; of animated ones the first frame.
///
/// Pixels are those that Pillow makes of the same file, with one exception: of 16-bit grey the upper eight bits are
/// taken, where Pillow cuts everything above 255 off. HEIC, which Pillow does not read, is as libheif has it.
public struct ImageDecoder: Sendable {
    /// The most pixels a picture may have; checked against its header before anything is decoded.
    public var maximumPixels: Int

    /// The most pixels a side may have, as in JPEG: the work of resizing grows with the longer side, however thin a picture is.
    public static let longestSide = 65_535
    /// What is read, for people.
    public static let formats = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, GIF or BMP"

    /// The default, 1 GiB / 4 / 3 · 2, is the limit at which Pillow refuses, too.
    public init(maximumPixels: Int = 178_956_970) { self.maximumPixels = maximumPixels }

    /// Whether the file begins as a picture does; nothing more of it is looked at.
    /// - Throws: `io` when it can't be read.
    public static func isPicture(file path: String) throws(Failure) -> Bool {
        let file = try MappedFile(path)
        defer { withExtendedLifetime(file) {} }
        return ImageFormat(file.bytes) != nil
    }

    /// The size of the picture in a file, after turning it upright, from its header alone.
    ///
    /// - Throws: `io` when the file can't be read, `badInput` when it is no picture, `limit` when it is too large.
    public func size(
        file path: String, _ reading: ImagePreprocessor.Reading = .composed
    ) throws(Failure) -> ImageSize {
        let file = try MappedFile(path)
        defer { withExtendedLifetime(file) {} }
        return try size(file.bytes, name: path, reading)
    }

    /// The same of such a file in memory; `name` stands for it in errors.
    public func size(
        _ bytes: UnsafeRawBufferPointer, name: String, _ reading: ImagePreprocessor.Reading = .composed
    ) throws(Failure) -> ImageSize {
        let header = try header(bytes, name: name)
        return header.isTurned(reading) ? header.orientation.upright(header.size) : header.size
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
                header.size.width * header.size.height * header.format.bytesPerPixel)
        } catch { throw error.located(in: name) }
        let picture = Picture(
            unchecked: try Self.pixels(bytes, header, name: name, reading), size: header.size)
        return header.isTurned(reading) ? header.orientation.upright(picture) : picture
    }

    /// What a picture's header says.
    private struct Header {
        var format: ImageFormat
        var content: Content
        var orientation: ImageOrientation

        /// As stored, before turning.
        var size: ImageSize {
            switch content {
            case .library(_, let image): ImageSize(width: Int(image.width), height: Int(image.height))
            case .own(let picture): picture.size
            }
        }

        /// Whether the picture is turned upright; TIFF always, since Pillow does so when it reads one.
        func isTurned(_ reading: ImagePreprocessor.Reading) -> Bool {
            reading == .composed || format == .tiff
        }
    }

    /// Who reads the pixels.
    private enum Content {
        case library(tessera_image_format, tessera_image)
        case own(any StoredPicture)
    }

    private func header(_ bytes: UnsafeRawBufferPointer, name: String) throws(Failure) -> Header {
        guard let format = ImageFormat(bytes) else {
            throw .badInput(
                "is not a \(ImageDecoder.formats) picture", file: name, remedy: "convert it to one of these")
        }
        do {
            let content = try Self.content(bytes, format)
            var orientation = ImageOrientation(of: bytes, format)
            if case .library(_, let image) = content, image.orientation != 0 {
                orientation = ImageOrientation(rawValue: UInt32(image.orientation)) ?? .upright
            }
            let header = Header(format: format, content: content, orientation: orientation)
            try check(header.size)
            return header
        } catch { throw error.located(in: name) }
    }

    private static func content(
        _ bytes: UnsafeRawBufferPointer, _ format: ImageFormat
    ) throws(Failure) -> Content {
        guard let codec = format.codec else {
            let picture: any StoredPicture = format == .gif ? try GIFFrame(bytes) : try BitmapFile(bytes)
            guard picture.size.width > 0, picture.size.height > 0 else {
                throw .badInput("cannot be read as a picture: it holds no pixels")
            }
            return .own(picture)
        }
        var image = tessera_image()
        var message = [CChar](repeating: 0, count: Int(TESSERA_IMAGE_MESSAGE_SIZE))
        let status = tessera_image_read_header(
            codec, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &image, &message)
        guard status == 0, image.width > 0, image.height > 0 else {
            throw .badInput("cannot be read as a picture: \(text(message))", remedy: remedy(format, message))
        }
        return .library(codec, image)
    }

    /// What to do where libheif was installed without the decoder that a file needs.
    private static func remedy(_ format: ImageFormat, _ message: [CChar]) -> String? {
        let words = text(message).lowercased()
        guard words.contains("plugin") || words.contains("codec") || words.contains("unsupported") else {
            return nil
        }
        switch format {
        case .heic: return "install libheif-plugin-libde265, or convert it to JPEG"
        case .avif: return "convert it to PNG"
        default: return nil
        }
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
        let count = header.size.width * header.size.height
        guard case .library(let codec, var image) = header.content else {
            guard case .own(let picture) = header.content else { return [] }
            do {
                var pixels = try picture.pixels()
                pixels.withUnsafeMutableBufferPointer { buffer in
                    guard let base = buffer.baseAddress else { return }
                    dropAlpha(base, count, picture.hasAlpha ? reading : .stored)
                }
                pixels.removeSubrange((3 * count)...)
                return pixels
            } catch { throw error.located(in: name) }
        }
        var message = [CChar](repeating: 0, count: Int(TESSERA_IMAGE_MESSAGE_SIZE))
        var isDecoded = false
        let pixels = [UInt8](unsafeUninitializedCapacity: count * Int(image.channels)) {
            buffer, initialized in
            let status = tessera_image_decode(
                codec, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &image, buffer.baseAddress,
                &message)
            guard status == 0, let base = buffer.baseAddress else { return }
            isDecoded = true
            if image.is_cmyk != 0 {
                tessera_image_cmyk_to_rgb(base, count, base)
            } else if image.channels == 4 {
                dropAlpha(base, count, reading)
            }
            initialized = count * 3
        }
        guard isDecoded else {
            throw .badInput(
                "is a damaged picture: \(text(message))", file: name, remedy: remedy(header.format, message))
        }
        return pixels
    }

    /// Lays pixels over white, or takes them as they are. Three bytes a pixel are written behind the four that are read.
    private static func dropAlpha(
        _ pixels: UnsafeMutablePointer<UInt8>, _ count: Int, _ reading: ImagePreprocessor.Reading
    ) {
        switch reading {
        case .composed: tessera_image_flatten(pixels, count, pixels)
        case .stored: tessera_image_drop_alpha(pixels, count, pixels)
        }
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
