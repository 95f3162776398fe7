import CKernels
import GroupFormats
import Runtime
import Storage

/// A weight with noise of a given size added to it, in memory.
final class NoisyWeight {
    private let values: UnsafeMutableBufferPointer<Float>
    private let shape: Shape

    /// The noise's Σ over the weight's Σ w², nearly: that of int4 in groups of 64.
    static let power = 0.0065

    /// Adds to each row independent noise in proportion to the row's root mean square. It is the same in every run.
    /// - Throws: `badInput` when the weight is no matrix of floats.
    init(_ weight: LentWeight) throws(Failure) {
        guard let type = weight.encoding.floatType, weight.shape.rank == 2,
            let source = weight.bytes.baseAddress
        else { throw .badInput("is no matrix of floats") }
        let (rows, columns) = (weight.shape.extents[0], weight.shape.extents[1])
        shape = weight.shape
        values = .allocate(capacity: rows * columns)
        guard let target = values.baseAddress else { return }
        tsr_to_f32(type, source, rows * columns, target)
        for row in 0..<rows {
            let values = UnsafeMutableBufferPointer(start: target + row * columns, count: columns)
            let energy = values.reduce(0.0) { $0 + Double($1) * Double($1) }
            // Uniform in ±√3·σ has the variance σ².
            let reach = Float((3 * NoisyWeight.power * energy / Double(columns)).squareRoot())
            for column in 0..<columns {
                values[column] += reach * NoisyWeight.uniform(UInt64(row * columns + column))
            }
        }
    }

    deinit { values.deallocate() }

    /// As a part of a graph takes it.
    var lent: LentWeight { LentWeight(.float(.float32), shape, UnsafeRawBufferPointer(values), owner: self) }

    /// Between −1 and 1, of a number: SplitMix64's last steps.
    private static func uniform(_ number: UInt64) -> Float {
        var z = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Float(Int64(bitPattern: z) >> 40) * 0x1p-23
    }
}
