internal import CKernels
public import Storage

/// What the elements of a GGUF tensor are stored as, by the numbers of ggml.
public struct BlockType: Hashable, Sendable {
    /// How its elements are made into numbers.
    enum Reading: Hashable {
        /// They are plain.
        case plain(ElementType)
        /// Blocks of codes with scales, which become float32.
        case blocks(tsr_block_kind)
        /// There is no reader.
        case none
    }

    /// ggml's name: `Q4_K`.
    public let name: String
    /// Elements of a block, which lie beside each other in a row; 1 for plain elements.
    public let elements: Int
    /// Bytes of a block.
    public let bytes: Int
    let reading: Reading

    /// The plain type that its elements are of; nil for blocks.
    public var plain: ElementType? { if case .plain(let type) = reading { type } else { nil } }

    /// Whether there is a reader.
    public var isSupported: Bool { reading != .none }

    private init(_ name: String, _ type: ElementType) {
        (self.name, elements, bytes, reading) = (name, 1, type.width, .plain(type))
    }

    private init(_ name: String, _ elements: Int, _ bytes: Int, _ reading: Reading) {
        (self.name, self.elements, self.bytes, self.reading) = (name, elements, bytes, reading)
    }

    /// A kind of blocks that there is a reader for.
    private init(_ name: String, _ elements: Int, _ bytes: Int, _ kind: tsr_block_kind) {
        self.init(name, elements, bytes, .blocks(kind))
    }

    /// A type that there is no reader for.
    private init(_ name: String) { self.init(name, 1, 0, .none) }

    /// The type of a number; nil for one that ggml gives to none (`ggml_type` in ggml.h; `GGML_QUANT_SIZES` in Python's gguf).
    public init?(number: UInt32) {
        guard let type = Self.all[number] else { return nil }
        self = type
    }

    private static let all: [UInt32: BlockType] = [
        0: .init("F32", .float32), 1: .init("F16", .float16), 30: .init("BF16", .bfloat16),
        28: .init("F64", .float64), 24: .init("I8", .int8), 25: .init("I16", .int16),
        26: .init("I32", .int32),
        27: .init("I64", .int64),
        2: .init("Q4_0", 32, 18, TSR_BLOCK_Q4_0), 3: .init("Q4_1", 32, 20, TSR_BLOCK_Q4_1),
        6: .init("Q5_0", 32, 22, TSR_BLOCK_Q5_0), 7: .init("Q5_1", 32, 24, TSR_BLOCK_Q5_1),
        8: .init("Q8_0", 32, 34, TSR_BLOCK_Q8_0), 10: .init("Q2_K", 256, 84, TSR_BLOCK_Q2_K),
        11: .init("Q3_K", 256, 110, TSR_BLOCK_Q3_K), 12: .init("Q4_K", 256, 144, TSR_BLOCK_Q4_K),
        13: .init("Q5_K", 256, 176, TSR_BLOCK_Q5_K), 14: .init("Q6_K", 256, 210, TSR_BLOCK_Q6_K),
        20: .init("IQ4_NL", 32, 18, TSR_BLOCK_IQ4_NL), 23: .init("IQ4_XS", 256, 136, TSR_BLOCK_IQ4_XS),
        39: .init("MXFP4", 32, 17, TSR_BLOCK_MXFP4),
        9: .init("Q8_1"), 15: .init("Q8_K"), 16: .init("IQ2_XXS"), 17: .init("IQ2_XS"), 18: .init("IQ3_XXS"),
        19: .init("IQ1_S"), 21: .init("IQ3_S"), 22: .init("IQ2_S"), 29: .init("IQ1_M"), 34: .init("TQ1_0"),
        35: .init("TQ2_0"), 40: .init("NVFP4"), 41: .init("Q1_0"),
    ]

    /// The bytes of a tensor of that shape; nil when they are too many to count, or when its rows are no whole blocks.
    func byteCount(_ shape: Shape) -> Int? {
        guard (shape.extents.last ?? 1) % elements == 0 else { return nil }
        let (count, overflow) = (shape.count / elements).multipliedReportingOverflow(by: bytes)
        return overflow ? nil : count
    }
}
