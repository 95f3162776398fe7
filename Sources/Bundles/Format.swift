internal import Storage

/// The constants of `formats/bundle.md`.
enum Format {
    /// A high bit, the name, CR LF, end-of-file, LF: whatever a transfer in text mode changes, it changes here.
    static let magic: [UInt8] = [0x89, 0x54, 0x53, 0x52, 0x0D, 0x0A, 0x1A, 0x0A]
    static let version: UInt32 = 1
    /// Bytes of the header page; the weights begin right behind it.
    static let headerBytes = 4096
    /// Where every section but the weights and every tensor is aligned.
    static let alignment = 64
    static let tableStart = 128
    static let tableEntryBytes = 64
    static let maximumSections = (headerBytes - tableStart) / tableEntryBytes
    /// The longest name of a tensor, in UTF-8 bytes.
    static let maximumNameBytes = 1024

    /// `offset` rounded up to the alignment; nil on overflow.
    static func aligned(_ offset: Int) -> Int? {
        let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
        return overflow ? nil : sum / alignment * alignment
    }
}

/// What a file needs its reader to know. A reader refuses bits that are not among these.
struct Features: OptionSet {
    let rawValue: UInt64

    /// Some tensor is stored in tiles of 16 rows of group codes.
    static let groupTiles = Features(rawValue: 1)
    /// Some tensor is stored in tiles of codes of 4 or 8 bits whose groups have a float16 scale and a zero point.
    static let zeroPointTiles = Features(rawValue: 2)
    /// Some tensor is stored in tiles of codes of 5 or 6 bits.
    static let upperBitTiles = Features(rawValue: 4)
    /// Some tensor has rows in several formats.
    static let rowBands = Features(rawValue: 8)
    /// Some tensor is stored in tiles whose groups have a float16 scale and a float16 bias.
    static let affineTiles = Features(rawValue: 16)
    /// Some tensor is stored in tiles of codes of 5 or 6 bits with zero points.
    static let upperBitZeroPointTiles = Features(rawValue: 32)
    /// Some tensor is stored in tiles of 4-bit floats.
    static let float4Tiles = Features(rawValue: 64)
    static let known: Features = [
        .groupTiles, .zeroPointTiles, .upperBitTiles, .rowBands, .affineTiles, .upperBitZeroPointTiles,
        .float4Tiles,
    ]

    /// The bits this reader does not know, as text: `bits 3, 17`.
    var unknownNames: String? {
        let unknown = rawValue & ~Self.known.rawValue
        guard unknown != 0 else { return nil }
        let bits = (0..<64).filter { unknown >> UInt64($0) & 1 == 1 }
        return (bits.count == 1 ? "bit " : "bits ") + bits.map(String.init).joined(separator: ", ")
    }
}

/// The sections that this reader knows.
enum SectionKind: CaseIterable {
    case weights
    case graph
    case metadata
    case tokenizer
    case directory

    /// Four letters; a section whose first letter is lower-case may be skipped by a reader that does not know it.
    var code: String {
        switch self {
        case .weights: "WGTS"
        case .graph: "GRPH"
        case .metadata: "META"
        case .tokenizer: "TOKN"
        case .directory: "DIRY"
        }
    }

    /// The most bytes it may hold, decoded.
    var limit: Int {
        switch self {
        case .weights: Int.max
        case .graph, .metadata, .directory: 64 << 20
        case .tokenizer: 256 << 20
        }
    }
}

extension SectionKind {
    /// The most JSON values it may hold: the largest models need 4,000 for the graph and 10 for a tensor of the directory.
    var valueLimit: Int { self == .directory ? JSON.maximumValues : 1 << 20 }
}

/// How a section's bytes are stored.
enum Codec: UInt32 {
    case raw = 0
    case zstd = 1
}
