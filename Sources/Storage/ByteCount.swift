/// A number of bytes as people write it: `512M`, `3GiB`, `4096`. Prefixes are powers of 1024.
public struct ByteCount: Sendable {
    /// The number.
    public let bytes: Int

    /// So many bytes.
    public init(_ bytes: Int) { self.bytes = bytes }

    /// `1.5 GiB`, `12.0 MiB`, `980 B`.
    public static func text(_ bytes: Int) -> String {
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < 4 {
            value /= 1024
            unit += 1
        }
        return unit == 0
            ? "\(bytes) B" : "\(fixed(value, value < 10 ? 2 : 1)) \(["", "KiB", "MiB", "GiB", "TiB"][unit])"
    }
}
