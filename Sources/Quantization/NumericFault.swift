internal import Storage

/// A weight that is no usable number.
struct NumericFault: Equatable {
    let index: Int
    let value: Double

    /// The failure that names it, in a matrix of `columns` whose row `firstRow` comes first.
    func failure(columns: Int, _ firstRow: Int) -> Failure {
        let (row, column) = index.quotientAndRemainder(dividingBy: columns)
        let what = value.isFinite ? "is too large to quantize" : "is no number to compute with"
        return .badInput("the weight \(value) \(what)", at: "[\(firstRow + row), \(column)]")
    }

    /// The first element that is not finite or whose magnitude is not below `limit`; there must be one.
    static func first(in bytes: UnsafeRawBufferPointer, _ type: ElementType, beyond limit: Double)
        -> NumericFault
    {
        for index in 0..<bytes.count / type.width {
            let value = element(index, bytes, type)
            if !(abs(value) < limit) { return NumericFault(index: index, value: value) }
        }
        return NumericFault(index: 0, value: .nan)
    }

    /// The first element that is NaN or infinite, if any.
    static func firstNotFinite(in bytes: UnsafeRawBufferPointer, _ type: ElementType) -> NumericFault? {
        // All bits of the exponent are set in those and only in those.
        let found =
            switch type {
            case .float64: contains(0x7FF0_0000_0000_0000 as UInt64, bytes)
            case .float32: contains(0x7F80_0000 as UInt32, bytes)
            case .float16: contains(0x7C00 as UInt16, bytes)
            case .bfloat16: contains(0x7F80 as UInt16, bytes)
            default: false
            }
        return found ? first(in: bytes, type, beyond: .infinity) : nil
    }

    private static func contains<Word: FixedWidthInteger>(_ mask: Word, _ bytes: UnsafeRawBufferPointer)
        -> Bool
    {
        let width = MemoryLayout<Word>.size
        var found = false
        for index in 0..<bytes.count / width {
            let word = bytes.loadUnaligned(fromByteOffset: index * width, as: Word.self)
            // No early way out: that would keep the loop from being vectorised.
            found = found || word & mask == mask
        }
        return found
    }

    private static func element(_ index: Int, _ bytes: UnsafeRawBufferPointer, _ type: ElementType) -> Double
    {
        let offset = index * type.width
        switch type {
        case .float64: return bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
        case .float32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
        case .float16: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float16.self))
        case .bfloat16:
            let high = UInt32(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            return Double(Float(bitPattern: high << 16))
        default: return 0
        }
    }
}
