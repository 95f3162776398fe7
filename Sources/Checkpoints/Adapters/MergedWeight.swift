internal import CKernels
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

    /// Reads rows as float32, whatever they are stored as.
    fileprivate func readFloats(
        _ rows: Range<Int>, columns: Int, into out: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        switch form {
        case .plain(let tensor):
            guard let type = tensor.type.kernelType, let start = tensor.data.bytes.baseAddress else {
                throw tensor.failure("holds \(tensor.type.rawValue), which an adapter cannot be added to")
            }
            let width = columns * tensor.type.width
            tsr_to_f32(type, start + rows.lowerBound * width, rows.count * columns, out.baseAddress)
        case .derived(let derived):
            guard derived.type == .float32 else {
                throw .badInput("is no matrix that an adapter can be added to", at: "weight '\(name)'")
            }
            try derived.readRows(rows, into: UnsafeMutableRawBufferPointer(out))
        case .described: throw .badInput("has no data", at: "weight '\(name)'")
        }
    }
}
