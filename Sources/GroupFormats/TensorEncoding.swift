internal import CKernels
public import Storage

/// Unsigned codes of a few bits in groups along K, each group with a scale and a minimum.
///
/// `w[n, k] = d[n] · sc[n, g] · q[n, k] − dm[n] · mn[n, g]` with `g = k / groupSize`.
public struct GroupFormat: Hashable, Sendable, CustomStringConvertible {
    /// Bits a code takes.
    public enum Bits: Int, CaseIterable, Sendable {
        case four = 4
        case five = 5
        case six = 6
        case eight = 8

        /// The group sizes that there are kernels for.
        public var groupSizes: [Int] {
            switch self {
            case .four, .eight: [16, 32, 64, 128]
            case .five, .six: [32, 64, 128]
            }
        }
    }

    /// Bits a code takes.
    public let bits: Bits
    /// Codes that share a scale and a minimum.
    public let groupSize: Int

    /// Nil when there is no such group size at these bits.
    public init?(_ bits: Bits, groupSize: Int) {
        guard bits.groupSizes.contains(groupSize) else { return nil }
        self.bits = bits
        self.groupSize = groupSize
    }

    /// `int4-g64`.
    public var description: String { "int\(bits.rawValue)-g\(groupSize)" }

    /// Columns that share a scale in the int8 activations that such weights are multiplied by.
    public var activationGroupSize: Int { Int(tsr_activation_group(UInt32(groupSize))) }

    /// Every format there is, smallest codes first.
    public static var all: [GroupFormat] {
        Bits.allCases.flatMap { bits in bits.groupSizes.compactMap { GroupFormat(bits, groupSize: $0) } }
    }
}

/// Groups of 4-bit floats (E2M1) with an 8-bit float as their scale.
public enum Float4Format: String, CaseIterable, Sendable {
    /// Groups of 32 with powers of two (E8M0), of the OCP's Microscaling Formats, version 1.0.
    case mxfp4
    /// Groups of 16 with scales of three bits behind the point (E4M3).
    case nvfp4

    /// Codes that share a scale.
    public var groupSize: Int { self == .mxfp4 ? 32 : 16 }
}

/// How a tensor's values are stored in a bundle.
public enum TensorEncoding: Hashable, Sendable {
    /// Row-major elements, bit for bit as the checkpoint had them: F64, F32, F16 or BF16.
    case float(ElementType)
    /// Tiles of 16 rows of group codes, each group with an 8-bit scale and minimum; see `GroupGeometry`.
    case groups(GroupFormat)
    /// The same, in several formats, each for a run of rows.
    case bands(RowBands)
    /// The same as `groups` with a float16 scale and a whole zero point: what holds published codes exactly; see
    /// `PublishedGeometry`.
    case zeroPoints(GroupFormat)
    /// The same with a float16 scale and a float16 bias.
    case affine(GroupFormat)
    /// The same as `groups` of 4-bit floats with a scale that is an 8-bit float.
    case float4(Float4Format)

    /// The group encoding of `bits` and `groupSize`; nil when there is none.
    public static func groups(bits: GroupFormat.Bits, groupSize: Int) -> TensorEncoding? {
        GroupFormat(bits, groupSize: groupSize).map { .groups($0) }
    }

    /// The element types that rows are stored in.
    static let floatTypes: [ElementType] = [.float64, .float32, .float16, .bfloat16]

    /// The bytes that a tensor of `shape` takes.
    ///
    /// Nil when the encoding cannot hold that shape (groups need a matrix, rows rank 1 or 2, an extent is zero, the
    /// element type is none of F64, F32, F16, BF16) or when the size overflows.
    public func byteCount(_ shape: Shape) -> Int? {
        switch self {
        case .float(let type):
            guard Self.floatTypes.contains(type), (1...2).contains(shape.rank), shape.count > 0 else {
                return nil
            }
            return shape.byteCount(type)
        case .groups(let format):
            return GroupGeometry(format, shape)?.byteCount
        case .bands:
            return codedRows(shape).last?.bytes.upperBound
        case .zeroPoints, .affine, .float4:
            return PublishedGeometry(self, shape)?.byteCount
        }
    }
}

/// Written as in a bundle's directory: `F64`, `F32`, `F16`, `BF16`, `int4-g64`, `int5-g64`, `int4-g128-f16`,
/// `int4-g64-f16b`, `mxfp4`, `int6-g64+4096:int4-g32`.
extension TensorEncoding: CustomStringConvertible {
    /// The encoding of that name; nil when there is none.
    public init?(_ name: String) {
        let known =
            Self.floatTypes.map { Self.float($0) } + Float4Format.allCases.map { Self.float4($0) }
            + GroupFormat.all.flatMap { [Self.groups($0), .zeroPoints($0), .affine($0)] }
        if let encoding = known.first(where: { $0.description == name }) {
            self = encoding
        } else if let bands = RowBands(name) {
            self = .bands(bands)
        } else {
            return nil
        }
    }

    /// The name in a bundle's directory.
    public var description: String {
        switch self {
        case .float(let type): type.rawValue
        case .groups(let format): format.description
        case .bands(let bands): bands.description
        case .zeroPoints(let format): "\(format)-f16"
        case .affine(let format): "\(format)-f16b"
        case .float4(let format): format.rawValue
        }
    }
}

/// Where the parts of a group-coded matrix lie.
///
/// A matrix of N rows and K columns is `tileCount` tiles of 16 rows. A tile is 16 float32 `d`, 16 float32 `dm`, a table of
/// 16 + 16 bytes a group (scales, then minimums) padded to 64, and the codes group by group. Rows past N and columns past
/// K are zero. Every part begins at a multiple of 64 bytes.
public struct GroupGeometry: Hashable, Sendable {
    /// Rows of a tile.
    public static let tileRows = 16
    /// Bytes of the row factors `d` and `dm` at the start of a tile.
    public static let factorBytes = 2 * tileRows * 4

    /// The codes' bits and the group's size.
    public let format: GroupFormat
    /// N.
    public let rows: Int
    /// K.
    public let columns: Int
    /// Groups a row has; the last may be short of columns.
    public let groupCount: Int
    /// Tiles of 16 rows; the last may be short of rows.
    public let tileCount: Int
    /// Bytes of the scales and minimums of a tile, padded to 64.
    public let tableBytes: Int
    /// Bytes of the codes of one group of a tile.
    public let groupBytes: Int
    /// Bytes of one tile; a multiple of 64.
    public let tileBytes: Int
    /// Bytes of the whole matrix.
    public let byteCount: Int

    /// Nil when `shape` is no matrix, is empty, or its size overflows.
    public init?(_ format: GroupFormat, _ shape: Shape) {
        guard shape.rank == 2, shape.count > 0 else { return nil }
        self.format = format
        rows = shape.extents[0]
        columns = shape.extents[1]
        groupCount = (columns - 1) / format.groupSize + 1
        tileCount = (rows - 1) / Self.tileRows + 1
        groupBytes = Self.tileRows * format.groupSize * format.bits.rawValue / 8
        // At most 32 + 63 + 2048 bytes a group and 128 a tile: whatever passes this bound cannot overflow below.
        guard groupCount < Int.max / 4096 else { return nil }
        tableBytes = (2 * Self.tileRows * groupCount + 63) / 64 * 64
        tileBytes = Self.factorBytes + tableBytes + groupCount * groupBytes
        let (bytes, overflow) = tileCount.multipliedReportingOverflow(by: tileBytes)
        guard !overflow else { return nil }
        byteCount = bytes
    }

    /// Where the codes of `group` begin within a tile.
    public func codeOffset(group: Int) -> Int { Self.factorBytes + tableBytes + group * groupBytes }

    /// Where the scales of `group` begin within a tile; its minimums follow 16 bytes after.
    public func scaleOffset(group: Int) -> Int { Self.factorBytes + 2 * Self.tileRows * group }

    /// Stored bits for each of the N·K weights, factors and padding included.
    public var bitsPerWeight: Double { Double(byteCount) * 8 / (Double(rows) * Double(columns)) }
}
