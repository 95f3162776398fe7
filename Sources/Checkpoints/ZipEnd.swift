internal import Storage

/// What the last records of a zip file say: where its central directory lies and how many entries that lists.
struct ZipEnd {
    /// The entries that the directory lists.
    let entryCount: Int
    /// The whole central directory.
    let directory: MappedBytes

    /// Reads the end of `file`, with the Zip64 records if there are any.
    init(_ file: MappedFile) throws(Failure) {
        var end = try Self.position(in: file)
        var record = try cursor(file, at: end, count: Self.size)
        try record.skip(4)
        var fields = try Fields(short: &record)
        if let long = try Self.zip64(file, before: end) {
            guard fields.agree(with: long.fields) else {
                throw .badInput("the end record and the Zip64 end record disagree")
            }
            (fields, end) = (long.fields, long.position)
        }
        guard fields.disk == 0, fields.directoryDisk == 0, fields.entriesHere == fields.entries else {
            throw .badInput("is one of several parts of a zip file")
        }
        guard let directory = file.slice(at: fields.offset, count: fields.size),
            directory.range.upperBound == end
        else {
            throw .badInput(
                "claims \(fields.size) bytes of directory at byte \(fields.offset), which do not end at byte \(end)",
                remedy: "the file may be cut short")
        }
        guard fields.entries <= UInt64(directory.count / ZipEntry.recordSize) else {
            throw .badInput("claims \(fields.entries) entries in \(directory.count) bytes of directory")
        }
        entryCount = Int(fields.entries)
        self.directory = directory
    }

    private static let size = 22
    private static let signature: UInt32 = 0x0605_4B50
    private static let locatorSize = 20
    private static let locatorSignature: UInt32 = 0x0706_4B50
    private static let zip64Size = 56
    private static let zip64Signature: UInt32 = 0x0606_4B50

    /// Where the end record begins: a comment of up to 65535 bytes, which it announces, may follow it.
    private static func position(in file: MappedFile) throws(Failure) -> Int {
        let last = file.bytes.count - size
        for position in stride(from: last, through: max(0, last - 0xFFFF), by: -1) {
            let bytes = file.bytes
            guard
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
                    == signature
            else { continue }
            let comment = bytes.loadUnaligned(fromByteOffset: position + size - 2, as: UInt16.self)
            if position + Int(UInt16(littleEndian: comment)) == last { return position }
        }
        throw .badInput("has no end record of a zip file", remedy: "the file may be cut short")
    }

    /// The Zip64 end record, which stands right before its locator and that right before the end record.
    private static func zip64(
        _ file: MappedFile, before end: Int
    ) throws(Failure) -> (position: Int, fields: Fields)? {
        let start = end - locatorSize
        guard start >= 0 else { return nil }
        var locator = try cursor(file, at: start, count: locatorSize)
        guard try locator.integer(UInt32.self) == locatorSignature else { return nil }
        let disk = try locator.integer(UInt32.self)
        let position = try locator.integer(UInt64.self)
        let diskCount = try locator.integer(UInt32.self)
        guard disk == 0, diskCount <= 1 else {
            throw .badInput("is one of several parts of a zip file")
        }
        guard position <= UInt64(start), start - Int(position) >= zip64Size else {
            throw .badInput("the Zip64 end record lies at byte \(position), outside the file")
        }
        var record = try cursor(file, at: Int(position), count: start - Int(position))
        guard try record.integer(UInt32.self) == zip64Signature,
            try record.integer(UInt64.self) == UInt64(record.remaining)
        else {
            throw .badInput("there is no Zip64 end record at byte \(position)")
        }
        try record.skip(4)  // the versions
        return (Int(position), try Fields(long: &record))
    }

    /// What both kinds of end record hold.
    private struct Fields {
        let disk, directoryDisk, entriesHere, entries, size, offset: UInt64

        init(short record: inout ByteCursor) throws(Failure) {
            disk = UInt64(try record.integer(UInt16.self))
            directoryDisk = UInt64(try record.integer(UInt16.self))
            entriesHere = UInt64(try record.integer(UInt16.self))
            entries = UInt64(try record.integer(UInt16.self))
            size = UInt64(try record.integer(UInt32.self))
            offset = UInt64(try record.integer(UInt32.self))
        }

        init(long record: inout ByteCursor) throws(Failure) {
            disk = UInt64(try record.integer(UInt32.self))
            directoryDisk = UInt64(try record.integer(UInt32.self))
            entriesHere = try record.integer()
            entries = try record.integer()
            size = try record.integer()
            offset = try record.integer()
        }

        /// Whether each of these short fields says the same as the long one, or is all ones and leaves it to that.
        func agree(with long: Fields) -> Bool {
            let counts = [
                (disk, long.disk), (directoryDisk, long.directoryDisk),
                (entriesHere, long.entriesHere), (entries, long.entries),
            ]
            let places = [(size, long.size), (offset, long.offset)]
            return counts.allSatisfy { $0 == $1 || $0 == 0xFFFF }
                && places.allSatisfy { $0 == $1 || $0 == 0xFFFF_FFFF }
        }
    }
}

/// A cursor over bytes of `file` that are known to be there.
private func cursor(_ file: MappedFile, at offset: Int, count: Int) throws(Failure) -> ByteCursor {
    guard let bytes = MappedBytes(file, offset..<offset + count) else {
        throw .badInput("lies outside the file")
    }
    return ByteCursor(bytes)
}
