/// A picture's bytes that a browser shows.
struct PictureFile {
    let medium: String
    let bytes: [UInt8]

    /// The largest file that goes into the page, and the most of all together.
    static let largest = 4 << 20
    static let most = 5 << 20

    /// Nil for bytes in any other format than PNG, JPEG, GIF, WebP and AVIF, and for files that are too large.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= PictureFile.largest, let medium = PictureFile.medium(bytes) else { return nil }
        (self.medium, self.bytes) = (medium, bytes)
    }

    /// By how the file begins, whatever its name says.
    private static func medium(_ bytes: [UInt8]) -> String? {
        let at = { (offset: Int, words: String) in
            bytes.dropFirst(offset).starts(with: words.utf8)
        }
        if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) { return "image/png" }
        if bytes.starts(with: [0xff, 0xd8, 0xff]) { return "image/jpeg" }
        if at(0, "GIF87a") || at(0, "GIF89a") { return "image/gif" }
        if at(0, "RIFF"), at(8, "WEBP") { return "image/webp" }
        if at(4, "ftypavif") || at(4, "ftypavis") { return "image/avif" }
        return nil
    }
}
