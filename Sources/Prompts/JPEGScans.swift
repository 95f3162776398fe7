import Storage

/// How often a JPEG goes over its picture. Each scan costs work for every pixel, and takes but a few bytes to ask for.
struct JPEGScans {
    let count: Int
    /// Programs write about ten.
    static let most = 100

    /// Counts the scans of a file: markers are followed over their segments, and looked for in the data of a scan.
    init(_ bytes: UnsafeRawBufferPointer) {
        var count = 0
        var offset = 2
        while offset + 1 < bytes.count {
            guard bytes[offset] == 0xFF else {
                offset += 1
                continue
            }
            switch bytes[offset + 1] {
            // Data, or a marker that has no segment.
            case 0x00, 0x01, 0xD0...0xD8: offset += 2
            case 0xFF: offset += 1
            case let marker:
                if marker == 0xDA { count += 1 }
                guard marker != 0xD9, offset + 3 < bytes.count else {
                    offset = bytes.count
                    break
                }
                offset += 2 + max(2, Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3]))
            }
        }
        self.count = count
    }

    /// - Throws: `limit` for more than ``most``.
    func check() throws(Failure) {
        guard count <= JPEGScans.most else {
            throw Failure(.limit, "has \(count) scans, more than the \(JPEGScans.most) allowed")
        }
    }
}
