import CKernels
public import Storage

/// A weight of a published name and shape whose numbers are noise of the size that trained ones have, so that speed and memory can
/// be measured without a model. The same name gives the same numbers, row by row.
///
/// Norms are about 1, biases about 0; a row of a matrix of K columns has a standard deviation of 0.7/√K, so that activations
/// stay of one size from block to block.
public struct RandomWeight: DerivedWeight {
    /// As the checkpoint has it.
    public let name: String
    /// As the checkpoint has it.
    public let shape: Shape
    /// As the checkpoint has it.
    public let type: ElementType
    private let seed: UInt64
    private let mean: Float
    private let deviation: Float

    /// Its own name: nothing else is behind it.
    public var sources: [String] { [name] }

    /// Noise in the place of a weight that was described.
    /// - Throws: `.badInput` when it is of a type that noise is not made of.
    public init(_ weight: StoredWeight) throws(Failure) {
        guard [.bfloat16, .float16, .float32].contains(weight.type) else {
            throw .badInput(
                "is \(weight.type.rawValue), and random weights are BF16, F16 or F32",
                at: "tensor '\(weight.name)'")
        }
        (name, shape, type) = (weight.name, weight.shape, weight.type)
        // FNV-1a.
        seed = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let isVector = shape.rank <= 1
        mean = isVector && name.hasSuffix("weight") ? 1 : 0
        // Rows as `rowLength` has them.
        let columns = shape.rank <= 3 ? shape.extents.last ?? 1 : shape.count / max(1, shape.extents[0])
        deviation = isVector ? 0.02 : 0.7 / Float(max(1, columns)).squareRoot()
    }

    /// Makes rows.
    public func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let length = rowLength
        withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { row in
            for (index, number) in rows.enumerated() {
                fill(row, number)
                let target = UnsafeMutableRawBufferPointer(
                    rebasing: out[index * length * type.width..<(index + 1) * length * type.width])
                store(row, in: target)
            }
        }
    }

    /// Each number is a sum of four that are evenly spread, taken from one draw of SplitMix64 (Steele, Lea, Flood 2014): near enough
    /// to a normal one.
    private func fill(_ row: UnsafeMutableBufferPointer<Float>, _ number: Int) {
        var state = seed &+ UInt64(number) &* 0xd1b5_4a32_d192_ed03
        // Four of 0...65535: their mean is 131070, their deviation 65536/√3.
        let scale = deviation * 1.732_050_8 / 65536
        for index in row.indices {
            state = state &+ 0x9e37_79b9_7f4a_7c15
            var draw = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
            draw = (draw ^ draw >> 27) &* 0x94d0_49bb_1331_11eb
            draw ^= draw >> 31
            let sum = (draw & 0xffff) + (draw >> 16 & 0xffff) + (draw >> 32 & 0xffff) + draw >> 48
            row[index] = mean + scale * (Float(sum) - 131070)
        }
    }

    private func store(_ row: UnsafeMutableBufferPointer<Float>, in target: UnsafeMutableRawBufferPointer) {
        guard let values = row.baseAddress, let bytes = target.baseAddress else { return }
        switch type {
        case .float16:
            tsr_f32_to_f16(values, row.count, bytes.assumingMemoryBound(to: UInt16.self))
        case .bfloat16:
            let halves = bytes.assumingMemoryBound(to: UInt16.self)
            for index in row.indices {
                halves[index] = UInt16(truncatingIfNeeded: row[index].bitPattern >> 16)
            }
        default: bytes.copyMemory(from: values, byteCount: row.count * 4)
        }
    }
}
