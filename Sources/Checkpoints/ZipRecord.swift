internal import Storage

/// A stored entry of a zip file: its bytes, and what they must add up to.
struct ZipRecord: Sendable {
    /// With the folders it lies in.
    let name: String
    /// Where they lie.
    let data: MappedBytes
    /// The CRC-32 that the directory states; nil where the file states none.
    let checksum: UInt32?

    init(name: String, data: MappedBytes, checksum: UInt32? = nil) {
        self.name = name
        self.data = data
        self.checksum = checksum
    }

    /// Reads all of it and compares.
    /// - Throws: `badInput` when the sums differ.
    func check() throws(Failure) {
        var sum = CRC32()
        sum.update(data.bytes)
        try check(sum)
    }

    /// Compares the sum of all its bytes.
    fileprivate func check(_ sum: CRC32) throws(Failure) {
        guard checksum.map({ $0 == sum.value }) ?? true else {
            throw .badInput(
                "is damaged: its check sum does not match", file: data.file.path, at: "zip entry '\(name)'",
                remedy: "download or copy the file again")
        }
    }
}

/// Checks the records of a zip file while that streams by, from front to back.
struct ZipRecordChecks {
    /// Those that are left, in the order in which they lie.
    private var records: ArraySlice<ZipRecord>
    /// Of what has passed of the first of them.
    private var sum = CRC32()

    init(_ records: [ZipRecord]) {
        self.records = records.sorted { $0.data.range.lowerBound < $1.data.range.lowerBound }[...]
    }

    /// Takes the next bytes of the file, which lie at `range`.
    /// - Throws: `badInput` when a record ends among them whose sum is another.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at range: Range<Int>) throws(Failure) {
        while let record = records.first, record.data.range.lowerBound < range.upperBound {
            let part = record.data.range.clamped(to: range)
            sum.update(
                UnsafeRawBufferPointer(
                    rebasing: bytes[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound]))
            guard record.data.range.upperBound <= range.upperBound else { return }
            try record.check(sum)
            sum = CRC32()
            records.removeFirst()
        }
    }
}
