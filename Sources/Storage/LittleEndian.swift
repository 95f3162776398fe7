extension FixedWidthInteger {
    /// The bytes, least significant first.
    package var bytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }

    /// Reads the integer stored at `offset`, least significant byte first. The caller has checked that it is there.
    package init(_ bytes: [UInt8], at offset: Int) {
        self = bytes.withUnsafeBytes {
            Self(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Self.self))
        }
    }
}

extension [UInt8] {
    /// Overwrites as many bytes from `offset` on as `bytes` has.
    package mutating func replace(at offset: Int, _ bytes: [UInt8]) {
        replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}

extension Collection where Element: Equatable {
    /// Whether `part` stands somewhere within.
    package func contains(sequence part: some Collection<Element>) -> Bool {
        indices.contains { self[$0...].starts(with: part) }
    }
}
