internal import GroupFormats
internal import Runtime
public import Storage

/// Weights of a model that was changed where that does not change what it computes.
public struct RewrittenWeights<Base: WeightSource>: WeightSource {
    /// Those of the base; the changed ones as float32.
    public let weights: [SourceWeight]
    private let base: Base
    /// By the number of the weight.
    private let rewrites: [Int: Rewrite]

    /// Whether any is changed.
    var isChanged: Bool { !rewrites.isEmpty }

    /// The weights of `base`, which can be read in any order, changed.
    init(_ base: Base, _ rewrites: [String: Rewrite]) {
        self.base = base
        var byNumber: [Int: Rewrite] = [:]
        weights = base.weights.enumerated().map { index, weight in
            guard let rewrite = rewrites[weight.name] else { return weight }
            byNumber[index] = rewrite
            let note = [weight.note, rewrite.note].filter { !$0.isEmpty }.joined(separator: "; ")
            return SourceWeight(
                name: weight.name, shape: weight.shape, type: .float32, sources: weight.sources, note: note)
        }
        self.rewrites = byNumber
    }

    /// Lends rows of `weights[index]`.
    public func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard let rewrite = rewrites[index] else { return try base.withRows(rows, of: index, body) }
        let weight = base.weights[index]
        // A vector is one row to its source, and a column of rows here.
        let columns = weight.shape.rank == 2 ? weight.columnCount : 1
        let wanted = weight.shape.rank == 2 ? rows : 0..<weight.shape.count / max(1, columns)
        // Turned rows come of whole runs.
        let whole = rewrite.whole(wanted)
        try base.withRows(weight.shape.rank == 2 ? whole : rows, of: index) { (bytes) throws(Failure) in
            var values = bytes.floats(weight.type)
            values.withUnsafeMutableBufferPointer { values in
                rewrite.apply(to: values, columns: columns, first: whole.lowerBound)
            }
            try values.withBytes { (bytes) throws(Failure) in
                let width = columns * ElementType.float32.width
                let start = (wanted.lowerBound - whole.lowerBound) * width
                try body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + wanted.count * width]))
            }
        }
    }

    /// Lends rows of `weights[index]` as tiles; only weights that are not changed have any.
    public func withTiles(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try base.withTiles(rows, of: index, body)
    }
}

extension RewrittenWeights<BundleWeights> {
    /// The weights of a bundle, unchanged.
    public init(_ base: BundleWeights) { self.init(base, [:]) }

    /// A weight as it is run before it is quantized.
    func lent(_ index: Int) throws(Failure) -> LentWeight? {
        guard rewrites[index] != nil else { return base.lent(index) }
        let weight = weights[index]
        let floats = WeightBytes(weight.shape.count * weight.type.width)
        let rows = weight.shape.rank == 2 ? weight.shape.extents[0] : 1
        try withRows(0..<rows, of: index) { floats.bytes.copyMemory(from: $0) }
        return LentWeight(
            .float(weight.type), weight.shape, UnsafeRawBufferPointer(floats.bytes), owner: floats)
    }
}

/// Memory for a weight that was changed or made.
final class WeightBytes {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
}
