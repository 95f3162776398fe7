public import Storage

/// A weight with what an adapter adds to it, in float32.
struct MergedWeight: DerivedWeight {
    let name: String
    let shape: Shape
    let sources: [String]
    var type: ElementType { .float32 }
    private let base: StoredWeight
    private let change: LowRankChange

    /// - Throws: `.badInput` when the change is not of a weight of that shape.
    init(_ base: StoredWeight, _ change: LowRankChange) throws(Failure) {
        if let refusal = change.refusal(base.shape) { throw refusal }
        name = base.name
        shape = base.shape
        sources = base.sources + change.sources
        self.base = base
        self.change = change
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let columns = rowLength
        precondition(out.count == rows.count * columns * type.width)
        let floats = out.bindMemory(to: Float.self)
        guard let target = floats.baseAddress else { return }
        try base.readFloats(rows, columns: columns, into: floats)
        try change.add(rows, columns: columns, to: target)
    }
}

extension StoredWeight {
    /// A weight with what an adapter adds to it.
    /// - Throws: `.badInput` when the change is not of a weight of that shape.
    public init(_ base: StoredWeight, adding change: LowRankChange) throws(Failure) {
        self.init(try MergedWeight(base, change))
    }
}
