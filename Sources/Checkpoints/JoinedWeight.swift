internal import GroupFormats
import Storage

/// How the parts of a weight lie in the whole.
public enum PartArrangement: Equatable, Sendable {
    /// One below the other: along the first axis, of which they may have unequal shares.
    case below
    /// Side by side along an axis that they do not have themselves.
    case across(Int)
}

/// A weight whose parts are stored apart, each a tensor of its own.
struct JoinedWeight: DerivedWeight {
    let name: String
    let shape: Shape
    let type: ElementType
    let sources: [String]
    let published: PublishedCodes?
    private let parts: [Part]
    /// Of the whole, between one part's rows and its next.
    private let groupRows: Int

    /// A part, and how many of its rows lie side by side.
    private struct Part {
        let weight: StoredWeight
        let rows: Int
    }

    /// Puts parts together.
    /// - Throws: `.badInput` when their shapes do not allow it, or when they are not of floats.
    init(_ name: String, _ weights: [StoredWeight], _ arrangement: PartArrangement) throws(Failure) {
        let (axis, shape) = try Self.shape(of: weights, arrangement)
        self.name = name
        self.shape = shape
        sources = weights.flatMap(\.sources)
        published = weights.lazy.compactMap(\.codes).first.map {
            PublishedCodes($0.kind, .floats(because: "its tensors are stored apart"))
        }
        if let first = weights.first, weights.allSatisfy({ $0.type == first.type }) {
            type = first.type
        } else {
            type = .float32
        }
        if let odd = weights.first(where: { !$0.isReadable(as: .float32) && $0.type != weights[0].type }) {
            throw .badInput("holds \(odd.type.rawValue), not floats", at: "tensor '\(odd.sources[0])'")
        }
        // The rows of a vector are its elements.
        parts = weights.map { weight in
            let extents = weight.shape.rank > 1 ? weight.shape.extents.dropLast() : weight.shape.extents[...]
            return Part(weight: weight, rows: extents.dropFirst(axis).reduce(1, *))
        }
        groupRows = parts.reduce(0) { $0 + $1.rows }
    }

    private static func shape(
        of weights: [StoredWeight], _ arrangement: PartArrangement
    ) throws(Failure) -> (axis: Int, shape: Shape) {
        let first = weights[0].shape.extents
        func failure(_ other: StoredWeight) -> Failure {
            .badInput(
                "has shape \(other.shape), which does not fit \(weights[0].shape) of '\(weights[0].sources[0])'",
                at: "tensor '\(other.sources[0])'")
        }
        // Of what is not empty, every product of extents is a number.
        if let empty = weights.first(where: { $0.shape.count == 0 }) { throw failure(empty) }
        var extents = first
        let axis: Int
        switch arrangement {
        case .below:
            axis = 0
            guard !first.isEmpty else { throw failure(weights[0]) }
            extents[0] = 0
            for weight in weights {
                let other = weight.shape.extents
                guard other.count == first.count, other.dropFirst() == first.dropFirst() else {
                    throw failure(weight)
                }
                let (sum, overflow) = extents[0].addingReportingOverflow(other[0])
                guard !overflow else { throw failure(weight) }
                extents[0] = sum
            }
        case .across(let place):
            axis = place
            guard axis < first.count else { throw failure(weights[0]) }
            if let other = weights.first(where: { $0.shape.extents != first }) { throw failure(other) }
            extents.insert(weights.count, at: axis)
        }
        guard let shape = Shape(checking: extents), shape.byteCount(.float64) != nil else {
            throw failure(weights[0])
        }
        return (axis, shape)
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        guard groupRows > 0 else { return }
        // A kernel is one row to its reader, and several of the parts that it lies in.
        let each = shape.rank > 3 ? shape.extents[1..<shape.rank - 1].reduce(1, *) : 1
        var row = rows.lowerBound * each
        let end = rows.upperBound * each
        var filled = 0
        while row < end {
            let group = row / groupRows
            var within = row % groupRows
            for part in parts {
                guard within < part.rows else {
                    within -= part.rows
                    continue
                }
                let first = group * part.rows + within
                let count = min(part.rows - within, end - row)
                let bytes = count * rowBytes
                try part.weight.readRows(
                    first..<first + count, as: type,
                    into: UnsafeMutableRawBufferPointer(rebasing: out[filled..<filled + bytes]))
                (row, filled, within) = (row + count, filled + bytes, 0)
                if row == end { return }
            }
        }
    }

    private var rowBytes: Int { (shape.rank > 1 ? shape.extents[shape.rank - 1] : 1) * type.width }
}

extension StoredWeight {
    /// The codes that it is stored as; nil when it is no codes.
    fileprivate var codes: PublishedCodes? {
        if case .derived(let derived) = form { derived.published } else { nil }
    }

    /// Whether its numbers become those of another type exactly, or are of that type.
    fileprivate func isReadable(as other: ElementType) -> Bool {
        type == other || (other == .float32 && (type == .float16 || type == .bfloat16))
    }

    /// Reads rows, made into `wanted` where they are of another type.
    /// - Precondition: it is readable as that.
    fileprivate func readRows(
        _ rows: Range<Int>, as wanted: ElementType, into out: UnsafeMutableRawBufferPointer
    ) throws(Failure) {
        switch form {
        case .derived(let derived) where derived.type == wanted: try derived.readRows(rows, into: out)
        case .derived:
            try readFloats(
                rows, columns: shape.rank > 1 ? shape.extents[shape.rank - 1] : 1,
                into: out.bindMemory(to: Float.self))
        case .plain(let tensor):
            let width = (shape.rank > 1 ? shape.extents[shape.rank - 1] : 1) * tensor.type.width
            let bytes = UnsafeRawBufferPointer(
                rebasing: tensor.data.bytes[rows.lowerBound * width..<rows.upperBound * width])
            if tensor.type == wanted {
                out.copyMemory(from: bytes)
            } else {
                let floats = out.bindMemory(to: Float.self)
                for place in floats.indices {
                    let bits = bytes.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self)
                    floats[place] =
                        tensor.type == .bfloat16
                        ? Float(bitPattern: UInt32(bits) << 16) : Float(Float16(bitPattern: bits))
                }
            }
            withExtendedLifetime(tensor.data.file) {}
        case .described: break
        }
    }
}
