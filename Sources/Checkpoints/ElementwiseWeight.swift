internal import Glibc
import Storage

/// A weight whose numbers follow, one by one and in float32, from those that are stored.
private struct ElementwiseWeight: DerivedWeight {
    enum Change {
        /// So much more: what is small beside it, bfloat16 would lose.
        case plus(Float)
        /// w of −eʷ, as llama.cpp stores rates of decay: the nearest float32 to the logarithm, whose exponential is what is stored, to a
        /// rounding or two.
        case logarithmOfNegated
    }

    let base: StoredWeight
    let change: Change

    var name: String { base.name }
    var shape: Shape { base.shape }
    var sources: [String] { base.sources }
    var type: ElementType { .float32 }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(out.count == rows.count * rowLength * type.width)
        let floats = out.bindMemory(to: Float.self)
        try base.readFloats(rows, columns: rowLength, into: floats)
        switch change {
        case .plus(let shift): for index in floats.indices { floats[index] += shift }
        case .logarithmOfNegated: try takeLogarithms(of: floats)
        }
    }

    private func takeLogarithms(of floats: UnsafeMutableBufferPointer<Float>) throws(Failure) {
        for index in floats.indices {
            guard floats[index] < 0, floats[index].isFinite else {
                throw .badInput(
                    "holds \(floats[index]), which is no negative number and so no rate of decay",
                    at: "tensor '\(sources.first ?? name)'")
            }
            floats[index] = Float(log(-Double(floats[index])))
        }
    }
}

extension StoredWeight {
    /// A weight whose numbers are those of `base` and `shift` more, in float32. What was shifted before is shifted once: there and back
    /// is where it was, to the bit.
    public init(_ base: StoredWeight, plus shift: Float) {
        if case .described = base.form {
            self.init(describing: base.name, .float32, base.shape)
        } else if case .derived(let derived) = base.form, let earlier = derived as? ElementwiseWeight,
            case .plus(let before) = earlier.change
        {
            let sum = before + shift
            self = sum == 0 ? earlier.base : StoredWeight(earlier.base, plus: sum)
        } else {
            self.init(ElementwiseWeight(base: base, change: .plus(shift)))
        }
    }

    /// A weight whose numbers w are stored in `base` as −eʷ.
    init(negativeExponential base: StoredWeight) {
        self.init(ElementwiseWeight(base: base, change: .logarithmOfNegated))
    }
}
