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

    /// A weight whose bytes live as long as `owner`; they begin at a multiple of 64.
    public init(
        _ encoding: TensorEncoding, _ shape: Shape, _ bytes: UnsafeRawBufferPointer, owner: AnyObject
    ) {
        self.encoding = encoding
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
    }

    /// A weight of a bundle, mapped; nil when it has none of that name.
    public init?(_ name: String, of bundle: Bundle) {
        guard let entry = bundle[name] else { return nil }
        let mapped = bundle.bytes(of: entry)
        self.init(entry.encoding, entry.shape, mapped.bytes, owner: mapped.file)
    }
}
