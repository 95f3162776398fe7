public import Bundles
public import GroupFormats
public import Storage

/// A weight as it is stored, wherever that is: mapped, or in memory.
public struct LentWeight {
    /// How its values are stored.
    public let encoding: TensorEncoding
    /// `[N, K]`, or rank 1.
    public let shape: Shape
    /// Valid while `owner` lives.
    public let bytes: UnsafeRawBufferPointer
    /// What keeps the bytes where they are.
    public let owner: AnyObject
    /// The same bytes in a file, if they are.
    let mapped: MappedBytes?

    /// A weight whose bytes live as long as `owner`; they begin at a multiple of 64.
    public init(
        _ encoding: TensorEncoding, _ shape: Shape, _ bytes: UnsafeRawBufferPointer, owner: AnyObject
    ) {
        self.encoding = encoding
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
        mapped = nil
    }

    /// A weight of a bundle, mapped; nil when it has none of that name.
    public init?(_ name: String, of bundle: Bundle) {
        guard let entry = bundle[name] else { return nil }
        let mapped = bundle.bytes(of: entry)
        (encoding, shape, bytes, owner) = (entry.encoding, entry.shape, mapped.bytes, mapped.file)
        self.mapped = mapped
    }
}
