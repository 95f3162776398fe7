/// The element types that checkpoints and bundles store; the raw value is the name used in both.
public enum ElementType: String, CaseIterable, Sendable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    /// A sign, four bits of exponent, three of mantissa; no infinities. Says nothing without the scales beside it.
    case float8 = "F8_E4M3"
    /// An exponent of two, without a sign. Is a scale, and nothing else.
    case exponent8 = "F8_E8M0"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint32 = "U32"
    case uint8 = "U8"
    case bool = "BOOL"

    /// Bytes an element takes.
    public var width: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32, .uint32: 4
        case .float16, .bfloat16, .int16: 2
        case .float8, .exponent8, .int8, .uint8, .bool: 1
        }
    }

    /// Whether it is one of the floating-point types that weights come in by themselves.
    public var isFloat: Bool {
        switch self {
        case .float64, .float32, .float16, .bfloat16: true
        default: false
        }
    }
}
