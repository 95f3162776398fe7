internal import CZstd

/// Whole-buffer Zstandard.
public enum Zstd {
    /// Compresses at a fixed level, so that equal input gives equal output.
    public static func compress(_ bytes: [UInt8], level: Int32 = 12) throws(Failure) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let count = ZSTD_compress(&output, output.count, bytes, bytes.count, level)
        guard ZSTD_isError(count) == 0 else { throw Failure(.limit, "zstd: \(name(of: count))") }
        output.removeLast(output.count - count)
        return output
    }

    /// How many times longer than the compressed bytes the result may be.
    public static let maximumRatio = 1000
    /// What may be decompressed to whatever the ratio.
    public static let alwaysAllowed = 1 << 20

    /// Decompresses a frame that states its size.
    /// - Throws: `limit` when that is more than `limit` bytes, or so many times the frame's as only a bomb has; `badInput`
    ///   when the frame is no sound one.
    public static func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(Failure) -> [UInt8] {
        let claimed = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        // The two highest values are zstd's codes for "unknown" and "error".
        guard claimed < UInt64.max - 1 else { throw .badInput("is not a zstd frame of known size") }
        guard claimed <= UInt64(limit) else {
            throw Failure(.limit, "claims to decompress to \(claimed) bytes, more than the \(limit) allowed")
        }
        guard claimed <= UInt64(max(alwaysAllowed, bytes.count * maximumRatio)) else {
            throw Failure(
                .limit,
                "claims to decompress from \(bytes.count) to \(claimed) bytes, more than \(maximumRatio) times"
            )
        }
        var output = [UInt8](repeating: 0, count: Int(claimed))
        let count = ZSTD_decompress(&output, output.count, bytes.baseAddress, bytes.count)
        guard ZSTD_isError(count) == 0 else { throw .badInput("corrupt zstd data: \(name(of: count))") }
        guard count == output.count else { throw .badInput("zstd data is shorter than it claims") }
        return output
    }

    private static func name(of code: Int) -> String { String(cString: ZSTD_getErrorName(code)) }
}
