internal import Storage

/// An entry as the central directory of a zip file lists it.
struct ZipEntry {
    /// The bytes of a record without its name and what follows that.
    static let recordSize = 46
    /// The longest name accepted, in bytes.
    static let nameLimit = 4096

    /// With the folders it lies in.
    let name: String
    /// Its bytes; stored entries are as long in the file as they are by themselves.
    let size: UInt64
    /// Where its local header begins.
    let headerOffset: UInt64
    private let flags: UInt16
    /// The CRC-32 of its bytes.
    private let checksum: UInt32

    /// Reads the next record of the directory, which is the one numbered `index`.
    init(_ directory: inout ByteCursor, index: Int) throws(Failure) {
        do {
            try self.init(&directory)
        } catch {
            throw error.placed(in: "zip entry \(index)")
        }
    }

    private init(_ directory: inout ByteCursor) throws(Failure) {
        guard try directory.integer(UInt32.self) == 0x0201_4B50 else { throw .badInput("is no entry") }
        try directory.skip(4)  // the versions
        flags = try directory.integer()
        let method = try directory.integer(UInt16.self)
        try directory.skip(4)  // time and date
        checksum = try directory.integer()
        let packed = try directory.integer(UInt32.self)
        let unpacked = try directory.integer(UInt32.self)
        let nameLength = Int(try directory.integer(UInt16.self))
        let extraLength = Int(try directory.integer(UInt16.self))
        let commentLength = Int(try directory.integer(UInt16.self))
        let disk = try directory.integer(UInt16.self)
        try directory.skip(6)  // attributes
        let offset = try directory.integer(UInt32.self)
        name = try Self.name(&directory, nameLength)

        let place = "'\(name)'"
        var extra = try Zip64Extra(in: try directory.part(extraLength))
        try directory.skip(commentLength)
        guard flags & Self.encryption == 0 else { throw .badInput("is encrypted", at: place) }
        guard method == 0 else {
            throw .badInput(
                "is compressed (method \(method)); PyTorch stores entries as they are", at: place)
        }
        guard disk == 0 else { throw .badInput("lies in another part of the zip file", at: place) }
        size = try extra.widen(unpacked)
        guard try extra.widen(packed) == size else {
            throw .badInput("has two different sizes, though it is not compressed", at: place)
        }
        headerOffset = try extra.widen(offset)
    }

    private static func name(_ cursor: inout ByteCursor, _ length: Int) throws(Failure) -> String {
        guard length <= nameLimit else {
            throw .badInput("has a name of \(length) bytes, more than the \(nameLimit) allowed")
        }
        return try cursor.text(length)
    }

    /// Flags of the entries whose bytes, or even sizes, are hidden: encrypted, strongly encrypted, masked.
    private static let encryption: UInt16 = 1 << 0 | 1 << 6 | 1 << 13
    /// The flag of an entry whose size is written after it, so that its local header may say 0.
    private static let sizeFollows: UInt16 = 1 << 3

    /// Finds the bytes of the entry and compares its local header with the directory.
    /// - Parameter end: where the entries end and the directory begins.
    /// - Returns: where the local header begins, and the entry, whose bytes lie before `end`.
    func locate(in file: MappedFile, before end: Int) throws(Failure) -> (header: Int, record: ZipRecord) {
        do throws(Failure) {
            guard let start = Int(exactly: headerOffset), start < end,
                let rest = MappedBytes(file, start..<end)
            else {
                throw .badInput("lies at byte \(headerOffset), after the \(end) bytes of entries")
            }
            var cursor = ByteCursor(rest)
            try checkHeader(&cursor)
            guard size <= UInt64(cursor.remaining) else {
                throw .badInput(
                    "has \(size) bytes, of which only \(cursor.remaining) are there before the directory")
            }
            let data = try cursor.part(Int(size)).source
            return (start, ZipRecord(name: name, data: data, checksum: checksum))
        } catch {
            throw error.placed(in: "zip entry '\(name)'")
        }
    }

    /// Compares the local header with this record and passes over it.
    private func checkHeader(_ header: inout ByteCursor) throws(Failure) {
        guard try header.integer(UInt32.self) == 0x0403_4B50 else { throw .badInput("has no local header") }
        try header.skip(2)  // the version
        let localFlags = try header.integer(UInt16.self)
        let method = try header.integer(UInt16.self)
        try header.skip(4)  // time and date
        let localChecksum = try header.integer(UInt32.self)
        let packed = try header.integer(UInt32.self)
        let unpacked = try header.integer(UInt32.self)
        let nameLength = Int(try header.integer(UInt16.self))
        let extraLength = Int(try header.integer(UInt16.self))
        let localName = try Self.name(&header, nameLength)
        let extra = try header.part(extraLength)
        guard localFlags == flags, method == 0, localName == name else {
            throw .badInput("is described differently by its local header and by the directory")
        }
        if flags & Self.sizeFollows != 0, packed == 0, unpacked == 0 { return }
        guard localChecksum == checksum || flags & Self.sizeFollows != 0 else {
            throw .badInput("has another check sum in its local header than in the directory")
        }
        var wide = try Zip64Extra(in: extra)
        guard try wide.widen(unpacked) == size, try wide.widen(packed) == size else {
            throw .badInput("has another size in its local header than in the directory")
        }
    }
}

/// The 64-bit values of an entry: one for each 32-bit field that is all ones, in the order of the fields.
private struct Zip64Extra {
    private var values: ByteCursor?

    /// Looks for the values among the extra fields of an entry.
    init(in extra: ByteCursor) throws(Failure) {
        var extra = extra
        while extra.remaining >= 4 {
            let kind = try extra.integer(UInt16.self)
            let part = try extra.part(Int(try extra.integer(UInt16.self)))
            if kind == 1 {
                values = part
                return
            }
        }
    }

    /// The field itself, or the next 64-bit value if it is all ones.
    mutating func widen(_ field: UInt32) throws(Failure) -> UInt64 {
        guard field == .max else { return UInt64(field) }
        guard let value = try values?.integer(UInt64.self) else {
            throw .badInput("is said to be large, but has no Zip64 field")
        }
        return value
    }
}
