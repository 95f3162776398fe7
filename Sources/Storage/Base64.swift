internal import COpenSSL

/// Base64 of RFC 4648, by OpenSSL.
public enum Base64 {
    /// The bytes that `text` stands for; nil when it is not whole base64, padding included.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        // OpenSSL would skip white space around the text, and gives the bytes of padding as zeros.
        guard text.count % 4 == 0, text.count <= 1 << 30, text.allSatisfy({ $0 > 0x20 }) else { return nil }
        let text = Array(text)
        let padding = text.suffix(2).filter { $0 == UInt8(ascii: "=") }.count
        var bytes = [UInt8](repeating: 0, count: text.count / 4 * 3)
        guard Int(EVP_DecodeBlock(&bytes, text, Int32(text.count))) == bytes.count,
            !text.dropLast(padding).contains(UInt8(ascii: "="))
        else { return nil }
        bytes.removeLast(padding)
        return bytes
    }

    /// The text that stands for `bytes`, with padding; nil for more than 512 MiB.
    public static func encode(_ bytes: [UInt8]) -> String? {
        guard bytes.count <= 1 << 29 else { return nil }
        // OpenSSL ends the text with a zero.
        var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = Int(EVP_EncodeBlock(&text, bytes, Int32(bytes.count)))
        return String(decoding: text.prefix(count), as: UTF8.self)
    }
}
