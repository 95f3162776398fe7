public import Storage

/// A tensor of a checkpoint: where its bytes lie and what they mean.
///
/// Every kind of checkpoint file yields these: contiguous, row-major, little-endian, of exactly the size that `type` and
/// `shape` ask for.
public struct SourceTensor: Sendable {
    /// As the checkpoint has it.
    public let name: String
    /// What its elements are.
    public let type: ElementType
    /// Outermost extent first; rank 0 is a scalar.
    public let shape: Shape
    /// The elements, mapped; nothing is read before it is used. The first may lie at any address: load unaligned.
    public let data: MappedBytes

    /// A tensor whose bytes are `data`.
    init(name: String, type: ElementType, shape: Shape, data: MappedBytes) {
        self.name = name
        self.type = type
        self.shape = shape
        self.data = data
    }
}
