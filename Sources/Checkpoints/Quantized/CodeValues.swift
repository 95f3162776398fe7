internal import Storage

/// What codes stand for before they are scaled.
enum CodeValues {
    /// Themselves.
    case integers
    /// 8-bit floats: E4M3.
    case float8
    /// 4-bit floats: E2M1.
    case float4

    /// By code.
    var table: [Float] {
        switch self {
        case .integers: (0..<256).map { Float($0) }
        case .float8: Float8.values
        case .float4: Float4.values + Array(repeating: 0, count: 240)
        }
    }
}

/// The 4-bit floats of the type E2M1: a sign, two bits of exponent, one of mantissa (OCP Microscaling Formats 1.0).
enum Float4 {
    /// What each code stands for.
    static let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
}

/// The 8-bit floats of the type E4M3 (e4m3fn): no infinities, NaN in the last place of either sign.
enum Float8 {
    /// What each byte stands for.
    static let values: [Float] = (0..<256).map { byte in
        let (exponent, fraction) = (byte >> 3 & 15, Float(byte & 7) / 8)
        let magnitude: Float =
            switch (exponent, byte & 7) {
            case (15, 7): .nan
            case (0, _): fraction * 0x1p-6
            default: Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction)
            }
        return byte < 128 ? magnitude : -magnitude
    }

    /// What a byte of the type E8M0 stands for: an exponent of two without a sign; the last one is NaN.
    static func power(_ byte: UInt8) -> Float {
        byte == 255 ? .nan : Float(sign: .plus, exponent: Int(byte) - 127, significand: 1)
    }
}
