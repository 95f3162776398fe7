public import Storage

/// Runs of a matrix's rows, each with codes of its own format.
///
/// The rows of a table of tokens matter as often as their tokens come up, and tokens are numbered by how frequent they are:
/// its first rows are worth more bits than the many others.
public struct RowBands: Hashable, Sendable {
    /// The format of each band, in order.
    public let formats: [GroupFormat]
    /// The first row of each band; the last band ends with the matrix.
    public let starts: [Int]

    /// The most bands of a matrix.
    public static let limit = 16

    /// Nil unless there are 2 to 16 bands, the first begins at row 0, and each other behind it, where a tile does.
    public init?(_ formats: [GroupFormat], starts: [Int]) {
        guard formats.count == starts.count, (2...Self.limit).contains(starts.count), starts[0] == 0,
            zip(starts, starts.dropFirst()).allSatisfy(<),
            starts.allSatisfy({ $0 % GroupGeometry.tileRows == 0 })
        else { return nil }
        self.formats = formats
        self.starts = starts
    }
}

/// A run of a matrix's rows in groups of one format.
public struct CodedRows: Hashable, Sendable {
    /// Which of the matrix's.
    public let rows: Range<Int>
    /// Of these rows alone.
    public let geometry: GroupGeometry
    /// Where their tiles lie within those of the matrix.
    public let bytes: Range<Int>
}

extension TensorEncoding {
    /// The runs of rows that a matrix of groups with minimums consists of; none in other encodings, or where they cannot hold
    /// `shape`.
    public func codedRows(_ shape: Shape) -> [CodedRows] {
        switch self {
        case .float, .zeroPoints, .affine, .float4: []
        case .groups(let format): Self.codedRows([format], [0], shape) ?? []
        case .bands(let bands): Self.codedRows(bands.formats, bands.starts, shape) ?? []
        }
    }

    /// Nil when `shape` is no matrix, has fewer rows than the bands need, or a size overflows.
    private static func codedRows(
        _ formats: [GroupFormat], _ starts: [Int], _ shape: Shape
    ) -> [CodedRows]? {
        guard shape.rank == 2, let last = starts.last, shape.extents[0] > last else { return nil }
        var runs: [CodedRows] = []
        var offset = 0
        for (format, (start, end)) in zip(formats, zip(starts, starts.dropFirst() + [shape.extents[0]])) {
            guard let part = Shape.matrix(end - start, shape.extents[1]),
                let geometry = GroupGeometry(format, part)
            else { return nil }
            let (next, overflow) = offset.addingReportingOverflow(geometry.byteCount)
            guard !overflow else { return nil }
            runs.append(CodedRows(rows: start..<end, geometry: geometry, bytes: offset..<next))
            offset = next
        }
        return runs
    }
}

/// Written `int6-g64+4096:int4-g32`: rows below 4096 in the first format, the others in the second.
extension RowBands: CustomStringConvertible {
    /// The bands of that description; nil when it is of none.
    public init?(_ text: String) {
        var formats: [GroupFormat] = []
        var starts: [Int] = []
        for (place, part) in text.split(separator: "+", omittingEmptySubsequences: false).enumerated() {
            let sides = part.split(separator: ":", omittingEmptySubsequences: false)
            guard sides.count == (place == 0 ? 1 : 2), let name = sides.last,
                let format = GroupFormat.all.first(where: { $0.description == name })
            else { return nil }
            let start = place == 0 ? 0 : sides.first.flatMap { Int($0) }
            guard let start else { return nil }
            starts.append(start)
            formats.append(format)
        }
        self.init(formats, starts: starts)
        // One name for each: no signs, no leading zeros.
        guard description == text else { return nil }
    }

    /// The name in a bundle's directory.
    public var description: String {
        zip(starts, formats).map { $0 == 0 ? "\($1)" : "\($0):\($1)" }.joined(separator: "+")
    }
}
