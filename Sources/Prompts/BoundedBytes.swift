/// Bytes that answer nil outside their bounds.
struct BoundedBytes {
    let bytes: UnsafeRawBufferPointer
    /// Of numbers; TIFF structures state their own.
    var isLittleEndian: Bool

    init(_ bytes: UnsafeRawBufferPointer, isLittleEndian: Bool = false) {
        self.bytes = bytes
        self.isLittleEndian = isLittleEndian
    }

    /// The unsigned number of up to seven bytes at `offset`.
    func number(_ offset: Int, size: Int) -> Int? {
        guard let bytes = part(offset, count: size)?.bytes else { return nil }
        let value = { (sum: Int, byte: UInt8) in sum << 8 | Int(byte) }
        return isLittleEndian ? bytes.reversed().reduce(0, value) : bytes.reduce(0, value)
    }

    /// `count` bytes from `offset` on.
    func part(_ offset: Int, count: Int) -> BoundedBytes? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            return nil
        }
        return BoundedBytes(
            UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)]), isLittleEndian: isLittleEndian
        )
    }

    /// Whether `text` stands at `offset`.
    func hasText(_ text: String, at offset: Int) -> Bool {
        part(offset, count: text.utf8.count)?.bytes.elementsEqual(text.utf8) ?? false
    }
}
