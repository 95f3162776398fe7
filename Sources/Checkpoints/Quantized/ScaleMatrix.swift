internal import Storage

/// The scales of a packed weight, or its biases, found by row and group whatever shape their tensor has.
struct ScaleMatrix {
    /// What an element of the tensor stands for.
    enum Reading {
        /// Itself.
        case number
        /// Two to the power of what a byte exceeds 127 by: E8M0.
        case exponent
        /// The 8-bit float of those bits: E4M3.
        case float8
    }

    /// What is done with each by a number that all of the tensor share.
    enum Common {
        case none
        case times(Float)
        case over(Float)
    }

    let tensor: SourceTensor
    /// Elements from one block of rows to the next.
    let rowStride: Int
    /// Rows that share their scales.
    let rowBlock: Int
    /// Elements from one group of columns to the next.
    let groupStride: Int
    let reading: Reading
    let common: Common

    init(
        _ tensor: SourceTensor, rowStride: Int, rowBlock: Int = 1, groupStride: Int = 1,
        reading: Reading = .number, common: Common = .none
    ) {
        self.tensor = tensor
        (self.rowStride, self.rowBlock, self.groupStride) = (rowStride, rowBlock, groupStride)
        (self.reading, self.common) = (reading, common)
    }

    /// Whether float16 holds each of them exactly. NaN counts as held: whoever reads it learns of it.
    var fitFloat16: Bool {
        (tensor.type == .float16 && reading == .number && common.isNone)
            || (0..<tensor.shape.count).allSatisfy { index in
                let value = element(index)
                return Float(Float16(value)) == value || value.isNaN
            }
    }

    /// Reads the scales of `count` groups of at most 16 rows to `[group][16]`; other rows are left alone.
    /// - Throws: `.badInput` when one is NaN or infinite.
    func read(_ rows: Range<Int>, groups count: Int, into scales: UnsafeMutablePointer<Float>) throws(Failure)
    {
        for group in 0..<count {
            for row in rows {
                let value = element(row / rowBlock * rowStride + group * groupStride)
                // The largest 4-bit float times a scale is a number, too.
                guard (value * 6).isFinite else {
                    throw tensor.failure("the scale of row \(row), group \(group), is \(value)")
                }
                scales[group * CodeMatrix.panelRows + row - rows.lowerBound] = value
            }
        }
    }

    /// The byte that stands for a scale, of a tensor of such.
    func byte(_ row: Int, _ group: Int) -> UInt8 {
        tensor.data.bytes[row / rowBlock * rowStride + group * groupStride]
    }

    private func element(_ index: Int) -> Float {
        let value: Float =
            switch reading {
            case .number: tensor.element(index)
            case .exponent: Float8.power(tensor.data.bytes[index])
            case .float8: Float8.values[Int(tensor.data.bytes[index])]
            }
        switch common {
        case .none: return value
        case .times(let factor): return value * factor
        case .over(let divisor): return value / divisor
        }
    }
}

extension ScaleMatrix.Common {
    fileprivate var isNone: Bool { if case .none = self { true } else { false } }

    /// What is multiplied by, and what is divided by.
    var parts: (factor: Float, divisor: Float) {
        switch self {
        case .none: (1, 1)
        case .times(let factor): (factor, 1)
        case .over(let divisor): (1, divisor)
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
