internal import COpenSSL

/// A SHA-256 digest being computed, by OpenSSL.
public struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// The digest of nothing yet.
    public init() throws(Failure) {
        guard let context = EVP_MD_CTX_new() else { throw Failure(.limit, "no memory for a digest") }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw Failure(.io, "OpenSSL cannot compute SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        if !bytes.isEmpty { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }
    }

    /// The digest of everything added.
    public consuming func finish() -> Digest {
        var value = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &value, nil)
        return Digest(bytes: value)
    }

    /// The digest of one buffer.
    public static func digest(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> Digest {
        var hash = try SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The digest of an array.
    public static func digest(_ bytes: [UInt8]) throws(Failure) -> Digest {
        var hash = try SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }
}

/// The 32 bytes of a SHA-256.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes.
    public let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Takes the 32 bytes themselves; nil when there are not 32.
    public init?(raw bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Reads 64 hexadecimal digits.
    public init?(hexadecimal text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for i in stride(from: 0, to: 64, by: 2) {
            guard let byte = UInt8(String(decoding: digits[i..<i + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    /// 64 lower-case hexadecimal digits.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
