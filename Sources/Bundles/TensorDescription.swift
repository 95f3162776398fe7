public import GroupFormats
public import Storage

/// A tensor of a bundle but for its bytes: what a writer plans and a reader finds.
public struct TensorDescription: Equatable, Sendable {
    /// Unlike any other in its bundle; 1 to 1024 bytes of UTF-8.
    public let name: String
    /// `[N, K]`, outputs first, or rank 1.
    public let shape: Shape
    /// How its values are stored.
    public let encoding: TensorEncoding
    /// The names of the checkpoint's tensors that it was made from.
    public let sources: [String]
    /// What was done to them, for people to read.
    public let note: String
    /// The bytes that it takes.
    public let byteCount: Int

    /// A description that a bundle can hold.
    /// - Throws: `.badInput` when the name is empty or longer than 1024 bytes, or when `encoding` cannot hold `shape`.
    public init(
        name: String, shape: Shape, encoding: TensorEncoding, sources: [String] = [], note: String = ""
    ) throws(Failure) {
        guard (1...Format.maximumNameBytes).contains(name.utf8.count) else {
            throw .badInput(
                "a tensor's name has \(name.utf8.count) bytes; 1 to \(Format.maximumNameBytes) are allowed")
        }
        guard let byteCount = encoding.byteCount(shape) else {
            throw .badInput("shape \(shape) cannot be stored as \(encoding)", at: "tensor '\(name)'")
        }
        self.name = name
        self.shape = shape
        self.encoding = encoding
        self.sources = sources
        self.note = note
        self.byteCount = byteCount
    }
}

/// A tensor of a bundle.
public struct TensorEntry: Equatable, Sendable {
    /// Everything but its place and bytes.
    public let description: TensorDescription
    /// Where its bytes lie, relative to the start of the weights.
    public let range: Range<Int>
    /// SHA-256 of its bytes.
    public let digest: Digest

    /// Unlike any other in its bundle.
    public var name: String { description.name }
    /// `[N, K]`, outputs first, or rank 1.
    public var shape: Shape { description.shape }
    /// How its values are stored.
    public var encoding: TensorEncoding { description.encoding }
    /// The names of the checkpoint's tensors that it was made from.
    public var sources: [String] { description.sources }
    /// What was done to them, for people to read.
    public var note: String { description.note }
    /// The bytes that it takes.
    public var byteCount: Int { description.byteCount }

    /// A tensor at its place.
    init(_ description: TensorDescription, range: Range<Int>, digest: Digest) {
        self.description = description
        self.range = range
        self.digest = digest
    }
}
