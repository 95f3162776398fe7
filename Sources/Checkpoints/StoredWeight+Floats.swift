internal import CKernels
public import Storage

extension StoredWeight {
    /// The numbers of a vector as float32; nil where only a manifest of it is here.
    /// - Throws: `.badInput` for what holds no floats, and as a derived weight does.
    /// - Precondition: it is of rank 1.
    public func floats() throws(Failure) -> [Float]? {
        precondition(shape.rank == 1)
        if case .described = form { return nil }
        let count = shape.count
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { floats.deallocate() }
        if count > 0 { try readFloats(0..<count, columns: 1, into: floats) }
        return Array(floats)
    }

    /// Reads rows as float32, whatever they are stored as.
    /// - Throws: `.badInput` for what holds no floats, and as a derived weight does.
    /// - Precondition: `rows` are rows of this weight, of `columns` elements, and `out` has their size.
    func readFloats(
        _ rows: Range<Int>, columns: Int, into out: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        switch form {
        case .plain(let tensor):
            guard let type = tensor.type.kernelType, let start = tensor.data.bytes.baseAddress else {
                throw tensor.failure("holds \(tensor.type.rawValue), which are no floats")
            }
            let width = columns * tensor.type.width
            tsr_to_f32(type, start + rows.lowerBound * width, rows.count * columns, out.baseAddress)
        case .derived(let derived):
            guard let type = derived.type.kernelType else {
                throw .badInput("holds no floats", at: "weight '\(name)'")
            }
            guard derived.type != .float32 else {
                return try derived.readRows(rows, into: UnsafeMutableRawBufferPointer(out))
            }
            let stored = UnsafeMutableRawBufferPointer.allocate(
                byteCount: rows.count * columns * derived.type.width, alignment: 64)
            defer { stored.deallocate() }
            try derived.readRows(rows, into: stored)
            tsr_to_f32(type, stored.baseAddress, rows.count * columns, out.baseAddress)
        case .described: throw .badInput("has no data", at: "weight '\(name)'")
        }
    }
}
