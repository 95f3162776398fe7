/// The printable characters that published vocabularies write bytes as: a visible Latin-1 character stands for itself,
/// the 68 other bytes for U+0100 and up, in order.
enum ByteLevelAlphabet {
    /// The byte of each character below U+0144; nil for one that stands for none.
    private static let byteOfCharacter: [UInt8?] = {
        var table = [UInt8?](repeating: nil, count: 0x144)
        var next = 0x100
        for byte in UInt8.min...UInt8.max {
            let isVisible = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            table[isVisible ? Int(byte) : next] = byte
            if !isVisible { next += 1 }
        }
        return table
    }()

    /// The bytes that a vocabulary entry stands for. An entry with any other character stands for its own UTF-8.
    static func bytes(of entry: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for scalar in entry.unicodeScalars {
            guard scalar.value < byteOfCharacter.count, let byte = byteOfCharacter[Int(scalar.value)] else {
                return Array(entry.utf8)
            }
            bytes.append(byte)
        }
        return bytes
    }

    /// The character of each byte.
    private static let characterOfByte: [Unicode.Scalar] = {
        var table = [Unicode.Scalar](repeating: "?", count: 256)
        for (value, byte) in byteOfCharacter.enumerated() {
            if let byte, let scalar = Unicode.Scalar(UInt32(value)) { table[Int(byte)] = scalar }
        }
        return table
    }()

    /// The vocabulary entry that stands for `bytes`.
    static func entry(of bytes: some Sequence<UInt8>) -> String {
        var entry = String.UnicodeScalarView()
        for byte in bytes { entry.append(characterOfByte[Int(byte)]) }
        return String(entry)
    }
}
