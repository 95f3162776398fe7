import Storage

/// A weight that is stored as what it differs from a number by, in float32: bfloat16 would lose what is small beside it.
private struct ShiftedWeight: DerivedWeight {
    let base: StoredWeight
    let shift: Float

    var name: String { base.name }
    var shape: Shape { base.shape }
    var sources: [String] { base.sources }
    var type: ElementType { .float32 }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(out.count == rows.count * rowLength * type.width)
        let floats = out.bindMemory(to: Float.self)
        try base.readFloats(rows, columns: rowLength, into: floats)
        for index in floats.indices { floats[index] += shift }
    }
}

extension StoredWeight {
    /// A weight whose numbers are those of `base` and `shift` more, in float32. What was shifted before is shifted once: there and back
    /// is where it was, to the bit.
    public init(_ base: StoredWeight, plus shift: Float) {
        if case .described = base.form {
            self.init(describing: base.name, .float32, base.shape)
        } else if case .derived(let derived) = base.form, let earlier = derived as? ShiftedWeight {
            let sum = earlier.shift + shift
            self = sum == 0 ? earlier.base : StoredWeight(earlier.base, plus: sum)
        } else {
            self.init(ShiftedWeight(base: base, shift: shift))
        }
    }
}
