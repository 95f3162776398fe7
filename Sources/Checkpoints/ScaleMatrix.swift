internal import Storage

/// The scales of a packed weight, found by row and group whatever shape their tensor has.
struct ScaleMatrix {
    let tensor: SourceTensor
    /// Elements from one block of rows to the next.
    let rowStride: Int
    /// Rows that share their scales.
    let rowBlock: Int
    /// Elements from one group of columns to the next.
    let groupStride: Int

    /// Whether float16 holds each of them exactly. NaN counts as held: whoever reads it learns of it.
    var fitFloat16: Bool {
        tensor.type == .float16
            || (0..<tensor.shape.count).allSatisfy { index in
                let value = tensor.element(index)
                return Float(Float16(value)) == value || value.isNaN
            }
    }

    /// Reads the scales of `count` groups of at most 16 rows to `[group][16]`; other rows are left alone.
    /// - Throws: `.badInput` when one is NaN or infinite.
    func read(_ rows: Range<Int>, groups count: Int, into scales: UnsafeMutablePointer<Float>) throws(Failure)
    {
        for group in 0..<count {
            for row in rows {
                let index = row / rowBlock * rowStride + group * groupStride
                let value = tensor.element(index)
                guard value.isFinite else {
                    throw tensor.failure("the scale of row \(row), group \(group), is \(value)")
                }
                scales[group * CodeMatrix.panelRows + row - rows.lowerBound] = value
            }
        }
    }
}

extension SourceTensor {
    /// The types that scales come in.
    static let scaleTypes: [ElementType] = [.float16, .bfloat16, .float32]

    /// Element `index`, of one of the types of scales.
    func element(_ index: Int) -> Float {
        let (bytes, offset) = (data.bytes, index * type.width)
        switch type {
        case .float32: return bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
        case .float16: return Float(bytes.loadUnaligned(fromByteOffset: offset, as: Float16.self))
        default:
            let high = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
            return Float(bitPattern: UInt32(high) << 16)
        }
    }

    /// Bad input at this tensor.
    func failure(_ message: String, remedy: String? = nil) -> Failure {
        .badInput(message, file: data.file.path, at: "tensor '\(name)'", remedy: remedy)
    }
}
