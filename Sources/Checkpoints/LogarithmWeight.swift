internal import Glibc
import Storage

/// A weight that is stored as −eʷ, as llama.cpp does with rates of decay. Its numbers are the nearest float32 to the logarithms: what
/// their exponentials are is what is stored, to a rounding or two.
private struct LogarithmWeight: DerivedWeight {
    let base: StoredWeight

    var name: String { base.name }
    var shape: Shape { base.shape }
    var sources: [String] { base.sources }
    var type: ElementType { .float32 }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        precondition(out.count == rows.count * rowLength * type.width)
        let floats = out.bindMemory(to: Float.self)
        try base.readFloats(rows, columns: rowLength, into: floats)
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
    /// A weight whose numbers w are stored in `base` as −eʷ.
    init(negativeExponential base: StoredWeight) { self.init(LogarithmWeight(base: base)) }
}
