import Storage

/// What a cache holds as bytes, whatever its capacity: layer after layer by number, of each the keys and then the values, head
/// after head, position after position.
extension KeyValueCache {
    /// Where the first `positions` of each layer and head lie.
    private func spans(_ positions: Int) -> [UnsafeMutableRawBufferPointer] {
        layers.sorted { $0.key < $1.key }.flatMap { (number, layer) in
            [false, true].flatMap { values in
                let (base, headBytes) = part(number, values: values)
                return (0..<layer.keyHeads).map { head in
                    UnsafeMutableRawBufferPointer(
                        start: base + head * headBytes,
                        count: positions * precision.rowBytes(layer.headDimension))
                }
            }
        }
    }

    /// The bytes that so many positions take, at most as many as there is room for.
    func byteCount(of positions: Int) -> Int { spans(positions).reduce(0) { $0 + $1.count } }

    /// Shows what the cache holds.
    func withStored<Result>(
        _ body: ([UnsafeRawBufferPointer]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(spans(count).map { UnsafeRawBufferPointer($0) })
    }

    /// Holds what another cache of the model held, instead of what it did.
    /// - Throws: `limit` when there is no room for so many positions, `badInput` when they do not take these bytes.
    func fill(_ positions: Int, _ bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard (0...capacity).contains(positions) else {
            throw Failure(
                .limit, "holds \(positions) tokens, more than the context of \(capacity)",
                remedy: "give a larger --ctx-size")
        }
        guard bytes.count == byteCount(of: positions) else {
            throw .badInput(
                "has \(bytes.count) bytes of keys and values; \(positions) tokens have \(byteCount(of: positions))"
            )
        }
        var start = 0
        for span in spans(positions) {
            span.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + span.count]))
            start += span.count
        }
        truncate(to: 0)
        advance(by: positions)
    }
}
