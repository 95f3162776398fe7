public import CKernels
import Storage

extension TensorEncoding {
    /// The kernels' name for a float encoding; nil for groups and integers.
    public var floatType: tsr_float_type? {
        switch self {
        case .float(.float64): TSR_F64
        case .float(.float32): TSR_F32
        case .float(.float16): TSR_F16
        case .float(.bfloat16): TSR_BF16
        default: nil
        }
    }
}
