internal import CZlib

/// The check sum of zip files, being computed, by zlib.
public struct CRC32: Sendable {
    /// Of what was added so far.
    public private(set) var value: UInt32 = 0

    /// The sum of nothing yet.
    public init() {}

    /// Adds bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        // Given no address, zlib would begin anew.
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), start, bytes.count))
    }
}
