internal import GroupFormats
public import Storage

/// A `.tessera` file, mapped: its structure checked, its weights not yet read.
///
/// Opening takes time in proportion to the number of tensors, not to their size. The file must not be changed while it is
/// mapped; writers of this package replace files whole.
public struct Bundle: Sendable {
    /// The whole file.
    public let file: MappedFile
    /// Every tensor, in the order in which they lie in the file.
    public let tensors: [TensorEntry]
    let header: Header
    private let positions: [String: Int]

    /// Opens and checks the file at `path`.
    /// - Parameter name: what it is called instead of its path, for one whose path means nothing to people.
    /// - Throws: `.io` when it cannot be opened; `.badInput` when it is no bundle, needs a newer reader, or is malformed.
    public init(_ path: String, called name: String? = nil) throws(Failure) {
        file = try MappedFile(path, called: name)
        do {
            header = try Header(file.bytes)
            tensors = try Self.directory(header, file).entries
        } catch {
            throw error.located(in: name ?? path)
        }
        var positions: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() { positions[tensor.name] = position }
        self.positions = positions
    }

    /// Where the file is.
    public var path: String { file.path }

    /// The digest that stands for the whole content: every tensor, the graph, the metadata, the tokenizer and
    /// what is carried along.
    public var digest: Digest { header.root }

    /// The tensor of that name, or nil.
    public subscript(name: String) -> TensorEntry? { positions[name].map { tensors[$0] } }

    /// A tensor's bytes, mapped; they begin at a multiple of 64. `tensor` must be one of this bundle's.
    public func bytes(of tensor: TensorEntry) -> MappedBytes {
        guard let bytes = MappedBytes(file, fileRange(of: tensor)) else {
            preconditionFailure("\(tensor.name) is a tensor of another bundle")
        }
        return bytes
    }

    /// Where a tensor's bytes lie in the file.
    public func fileRange(of tensor: TensorEntry) -> Range<Int> {
        Format.headerBytes + tensor.range.lowerBound..<Format.headerBytes + tensor.range.upperBound
    }

    /// The graphs. Checked and decompressed at each call: keep the value.
    public var graphJSON: JSON { get throws(Failure) { try json(.graph) } }

    /// What the converter wrote about the model and where it came from. Checked and decompressed at each call: keep the
    /// value.
    public var metadata: JSON { get throws(Failure) { try json(.metadata) } }

    /// The tokenizer section. Checked and decompressed at each call: keep the value.
    public var tokenizer: [UInt8] {
        get throws(Failure) {
            do { return try Self.content(.tokenizer, header, file) } catch { throw error.located(in: path) }
        }
    }

    /// Sections that no reader needs to know, known or not, to be handed on.
    public var carried: [CarriedSection] {
        header.sections.compactMap { CarriedSection($0, of: file) }
    }

    private func json(_ kind: SectionKind) throws(Failure) -> JSON {
        do { return try Self.json(kind, header, file) } catch { throw error.located(in: path) }
    }
}

extension Bundle {
    private static func directory(_ header: Header, _ file: MappedFile) throws(Failure) -> TensorDirectory {
        guard let weights = header.section(.weights) else { throw .badInput("is missing", at: "weights") }
        let directory = try TensorDirectory(
            json(.directory, header, file), weightsByteCount: weights.range.count)
        guard try directory.digest() == weights.digest else {
            throw .badInput("the digest of the tensors does not match the header", at: "directory")
        }
        guard Features(directory.entries.map(\.description)) == header.features else {
            throw .badInput("the feature bits do not match the tensors' encodings", at: "header")
        }
        return directory
    }

    private static func json(_ kind: SectionKind, _ header: Header, _ file: MappedFile) throws(Failure)
        -> JSON
    {
        let text = try content(kind, header, file)
        do { return try JSON(parsing: text, valueLimit: kind.valueLimit) } catch {
            throw .badInput(error.message, at: "section \(kind.code)" + (error.place.map { ", \($0)" } ?? ""))
        }
    }

    /// A section's bytes: digest checked first, then decompressed into no more than the table claims.
    private static func content(
        _ kind: SectionKind, _ header: Header, _ file: MappedFile
    ) throws(Failure) -> [UInt8] {
        let place = "section \(kind.code)"
        guard let section = header.section(kind), let stored = MappedBytes(file, section.range)?.bytes else {
            throw .badInput("is missing", at: place)
        }
        guard try SHA256.digest(stored) == section.digest else {
            throw .badInput("is corrupt: its digest does not match", at: place)
        }
        guard section.codec == .zstd else { return Array(stored) }
        let content: [UInt8]
        do { content = try Zstd.decompress(stored, limit: section.decodedCount) } catch {
            throw .badInput(error.message, at: place)
        }
        guard content.count == section.decodedCount else {
            throw .badInput(
                "decompresses to \(content.count) bytes instead of \(section.decodedCount)", at: place)
        }
        return content
    }
}
