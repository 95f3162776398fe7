internal import Storage

/// Reads little-endian values from a part of a mapped file, front to back and never beyond its end.
struct ByteCursor {
    /// What is read; it stays mapped as long as the cursor lives.
    let source: MappedBytes
    /// How many bytes have been read.
    private(set) var offset = 0

    init(_ source: MappedBytes) { self.source = source }

    /// How many bytes are left.
    var remaining: Int { source.count - offset }

    /// The next integer.
    mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(Failure) -> Value {
        let start = try skip(MemoryLayout<Value>.size)
        return Value(littleEndian: source.bytes.loadUnaligned(fromByteOffset: start, as: Value.self))
    }

    /// The next `count` bytes as text without control characters, which messages may show.
    mutating func text(_ count: Int) throws(Failure) -> String {
        let start = try skip(count)
        guard let text = String(validating: source.bytes[start..<start + count], as: UTF8.self) else {
            throw .badInput("holds text that is not valid UTF-8")
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) }) else {
            throw .badInput("holds text with control characters")
        }
        return text
    }

    /// The text up to the next line feed, which is passed over. Only printable ASCII, at most `limit` characters.
    mutating func line(limit: Int) throws(Failure) -> String {
        let rest = source.bytes[offset...].prefix(limit + 1)
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw .badInput("a line is cut short or longer than \(limit) characters")
        }
        let line = rest[..<end]
        guard line.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw .badInput("a line holds characters that cannot be printed")
        }
        offset = end + 1
        return String(decoding: line, as: UTF8.self)
    }

    /// A cursor over the next `count` bytes, which this one passes over.
    mutating func part(_ count: Int) throws(Failure) -> ByteCursor {
        let start = source.range.lowerBound + (try skip(count))
        guard let part = MappedBytes(source.file, start..<start + count) else {
            throw .badInput("lies outside the file")
        }
        return ByteCursor(part)
    }

    /// Passes over `count` bytes.
    /// - Returns: where they begin.
    @discardableResult
    mutating func skip(_ count: Int) throws(Failure) -> Int {
        guard count >= 0, count <= remaining else {
            throw .badInput("is cut short: \(count) bytes should follow, but \(remaining) are left")
        }
        defer { offset += count }
        return offset
    }
}

extension MappedFile {
    /// The `count` bytes from `offset` on; nil when they are not all there.
    func slice(at offset: UInt64, count: UInt64) -> MappedBytes? {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= UInt64(bytes.count) else { return nil }
        return MappedBytes(self, Int(offset)..<Int(end))
    }
}
