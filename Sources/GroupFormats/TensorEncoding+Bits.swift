public import Storage

extension TensorEncoding {
    /// Stored bits for each value of a tensor, factors and padding included; nil when it cannot hold that shape.
    public func effectiveBits(_ shape: Shape) -> Double? {
        byteCount(shape).map { Double($0) * 8 / Double(shape.count) }
    }
}
