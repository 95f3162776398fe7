/// A pickle, instruction by instruction.
struct PickleBytes {
    private(set) var bytes: [UInt8] = []

    init(version: UInt8 = 2) { bytes = [0x80, version] }

    /// Appends instructions as they are.
    mutating func raw(_ bytes: [UInt8]) { self.bytes += bytes }

    /// Appends instructions that are written as characters.
    mutating func raw(_ text: String) { bytes += text.utf8 }

    mutating func string(_ text: String) {
        raw("X")
        bytes += littleEndian(UInt32(text.utf8.count)) + Array(text.utf8)
    }

    mutating func global(_ module: String, _ name: String) { raw("c\(module)\n\(name)\n") }

    /// An integer of eight bytes, whatever its size.
    mutating func int(_ value: Int) { raw([0x8A, 8] + littleEndian(UInt64(bitPattern: Int64(value)))) }

    mutating func ints(_ values: [Int]) {
        raw("(")
        for value in values { int(value) }
        raw("t")
    }

    /// A storage by its persistent identifier.
    mutating func storage(_ key: String = "0", type: String = "FloatStorage", count: Int) {
        raw("(")
        string("storage")
        global("torch", type)
        string(key)
        string("cpu")
        int(count)
        raw("tQ")
    }

    /// A tensor of four-byte floats.
    mutating func tensor(storage count: Int, key: String = "0", offset: Int, _ shape: [Int], _ strides: [Int])
    {
        global("torch._utils", "_rebuild_tensor_v2")
        raw("(")
        storage(key, count: count)
        int(offset)
        ints(shape)
        ints(strides)
        raw([0x89])
        global("collections", "OrderedDict")
        raw(")RtR")
    }

    /// A dictionary of one tensor named `t`.
    static func one(
        storage count: Int = 8, key: String = "0", offset: Int = 0, _ shape: [Int] = [2, 4],
        _ strides: [Int] = [4, 1]
    ) -> [UInt8] {
        var pickle = PickleBytes()
        pickle.raw("}")
        pickle.string("t")
        pickle.tensor(storage: count, key: key, offset: offset, shape, strides)
        pickle.raw("s.")
        return pickle.bytes
    }
}

/// A zip file, field by field; every field may lie.
struct ZipBytes {
    struct Entry {
        var name: String
        var data: [UInt8]
        var flags: UInt16 = 0
        var method: UInt16 = 0
        /// What the directory says, if not the truth.
        var size, packedSize, offset: UInt32?
        var disk: UInt16 = 0
        /// What the local header says, if not the same as the directory.
        var localName: String?
        var localMethod, localFlags: UInt16?
        var localSize: UInt32?
        /// The check sum; 0 in all entries where none was computed.
        var checksum: UInt32 = 0
        var localChecksum: UInt32?
        /// Whether sizes and offset are written as 64-bit values.
        var isWide = false

        init(_ name: String, _ data: [UInt8]) { (self.name, self.data) = (name, data) }
    }

    var entries: [Entry]
    /// The entries that the end record announces, if not as many as there are.
    var count: Int?
    var disk: UInt16 = 0
    var comment: [UInt8] = []
    var hasZip64End = false
    /// The place of the directory, if the Zip64 end record is to lie about it.
    var directoryOffset: UInt64?

    /// A file of `torch.save` with this pickle and a storage of 32 bytes that count from 0.
    init(pickle: [UInt8]) {
        entries = [
            Entry("model/data.pkl", pickle), Entry("model/data/0", (0..<32).map { UInt8($0) }),
            Entry("model/version", Array("3\n".utf8)),
        ]
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let start = UInt32(bytes.count)
            bytes += local(entry) + entry.data
            directory += record(entry, at: entry.offset ?? start)
        }
        let offset = bytes.count
        return bytes + directory + end(offset: offset, size: directory.count)
    }

    private func local(_ entry: Entry) -> [UInt8] {
        let size = entry.localSize ?? UInt32(entry.data.count)
        let name = Array((entry.localName ?? entry.name).utf8)
        let wide = UInt64(size)
        let extra =
            entry.isWide
            ? littleEndian(UInt16(1)) + littleEndian(UInt16(16)) + littleEndian(wide) + littleEndian(wide)
            : []
        let field = entry.isWide ? UInt32.max : size
        return littleEndian(0x0403_4B50 as UInt32) + littleEndian(20 as UInt16)
            + littleEndian(entry.localFlags ?? entry.flags) + littleEndian(entry.localMethod ?? entry.method)
            + [0, 0, 0, 0] + littleEndian(entry.localChecksum ?? entry.checksum) + littleEndian(field)
            + littleEndian(field)
            + littleEndian(UInt16(name.count)) + littleEndian(UInt16(extra.count)) + name + extra
    }

    private func record(_ entry: Entry, at offset: UInt32) -> [UInt8] {
        let size = entry.size ?? UInt32(entry.data.count)
        let name = Array(entry.name.utf8)
        let packed = entry.packedSize ?? size
        var extra: [UInt8] = []
        if entry.isWide {
            // An unrelated field first, then the 64-bit one.
            extra = littleEndian(0x4246 as UInt16) + littleEndian(2 as UInt16) + [9, 9]
            extra += littleEndian(1 as UInt16) + littleEndian(24 as UInt16)
            extra += littleEndian(UInt64(size)) + littleEndian(UInt64(packed)) + littleEndian(UInt64(offset))
        }
        let fields = entry.isWide ? [UInt32](repeating: .max, count: 3) : [packed, size, offset]
        return littleEndian(0x0201_4B50 as UInt32) + [20, 0, 20, 0] + littleEndian(entry.flags)
            + littleEndian(entry.method) + [0, 0, 0, 0] + littleEndian(entry.checksum)
            + littleEndian(fields[0])
            + littleEndian(fields[1]) + littleEndian(UInt16(name.count)) + littleEndian(UInt16(extra.count))
            + [0, 0] + littleEndian(entry.disk) + [UInt8](repeating: 0, count: 6) + littleEndian(fields[2])
            + name + extra
    }

    private func end(offset: Int, size: Int) -> [UInt8] {
        let count = count ?? entries.count
        var bytes: [UInt8] = []
        if hasZip64End {
            bytes += littleEndian(0x0606_4B50 as UInt32) + littleEndian(44 as UInt64) + [20, 0, 20, 0]
            bytes +=
                [UInt8](repeating: 0, count: 8) + littleEndian(UInt64(count)) + littleEndian(UInt64(count))
            bytes += littleEndian(UInt64(size)) + littleEndian(directoryOffset ?? UInt64(offset))
            bytes += littleEndian(0x0706_4B50 as UInt32) + [0, 0, 0, 0]
            bytes += littleEndian(UInt64(offset + size)) + [1, 0, 0, 0]
        }
        bytes += littleEndian(0x0605_4B50 as UInt32) + littleEndian(disk) + [0, 0]
        for _ in 0..<2 { bytes += hasZip64End ? [0xFF, 0xFF] : littleEndian(UInt16(count)) }
        bytes += hasZip64End ? [0xFF, 0xFF, 0xFF, 0xFF] : littleEndian(UInt32(size))
        bytes += hasZip64End ? [0xFF, 0xFF, 0xFF, 0xFF] : littleEndian(UInt32(offset))
        return bytes + littleEndian(UInt16(comment.count)) + comment
    }
}

private func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
