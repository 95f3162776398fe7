public import Storage

/// A section that no reader needs to know, carried along for those who do (`formats/bundle.md`).
public struct CarriedSection: Sendable {
    /// Some of its bytes.
    public enum Part: Sendable {
        case memory([UInt8])
        case mapped(MappedBytes)

        var count: Int {
            switch self {
            case .memory(let bytes): bytes.count
            case .mapped(let bytes): bytes.count
            }
        }

        func withBytes<Result>(
            _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            switch self {
            case .memory(let bytes):
                try bytes.withBytes { (bytes) throws(Failure) -> Result in try body(bytes) }
            case .mapped(let mapped):
                try mapped.file.withBytes { (_) throws(Failure) -> Result in try body(mapped.bytes) }
            }
        }
    }

    /// Four letters, the first of them lower-case.
    public let code: String
    /// Its bytes as they are stored, one part behind the other.
    public let parts: [Part]
    let codec: Codec
    let decodedCount: Int
    /// What the bytes were when they were written; nil for a new section.
    let digest: Digest?

    /// How many bytes are stored.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.count } }

    /// The code of the section of tensors by which a model drafts tokens for itself.
    public static let draftingCode = "mtpw"

    /// Such a section: the parts of a safetensors file.
    public static func drafting(_ parts: [Part]) -> CarriedSection { CarriedSection(draftingCode, parts) }

    /// The digest of the bytes that are stored, read anew.
    public func storedDigest() throws(Failure) -> Digest {
        var hash = try SHA256()
        for part in parts { try part.withBytes { (bytes) throws(Failure) in hash.update(bytes) } }
        return hash.finish()
    }

    private init(_ code: String, _ parts: [Part]) {
        (self.code, self.parts, codec, digest) = (code, parts, .raw, nil)
        decodedCount = parts.reduce(0) { $0 + $1.count }
    }

    /// A section of a bundle, as it is.
    init?(_ section: Section, of file: MappedFile) {
        guard section.isOptional, let bytes = MappedBytes(file, section.range) else { return nil }
        (code, codec, decodedCount) = (section.code, section.codec, section.decodedCount)
        (parts, digest) = ([.mapped(bytes)], section.digest)
    }
}
