import Checkpoints
public import Generations
import GraphIR
import GroupFormats
public import Quantization
public import Storage

/// The weights of a checkpoint, in the order of the graph, on their way into a bundle.
public struct CheckpointWeights: WeightSource {
    /// In the order of the graph.
    public let weights: [SourceWeight]
    private let entries: [CoverageLedger.Entry]

    /// The weights of a checkpoint that was read: a plan alone has none.
    public init(_ model: ImportedModel) {
        entries = model.plan.ledger.entries
        weights = model.plan.weights
    }

    /// Lends rows straight from the mapped shard where they lie side by side, else gathers them; their pages are given
    /// up afterwards.
    public func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let entry = entries[index]
        // A weight of rank 1 is one row to its reader, but lies in its tensor element by element.
        let isVector = entry.slot.shape.rank == 1
        let rows = isVector ? 0..<entry.slot.shape.count : rows
        let columns = isVector ? 1 : entry.slot.shape.extents[1]
        let parts = entry.parts(rows)
        do {
            if parts.count == 1, case .rows(let range) = parts[0].view,
                case .plain(let tensor) = parts[0].weight.form
            {
                let width = columns * entry.type.width
                try body(
                    UnsafeRawBufferPointer(
                        rebasing: tensor.data.bytes[range.lowerBound * width..<range.upperBound * width]))
            } else {
                let gather = RowGather(rows: rows.count, columns: columns, width: entry.type.width)
                for part in parts { try gather.append(part) }
                try gather.lend(body)
            }
        } catch {
            throw named(error, parts.first?.weight)
        }
        for part in parts { part.giveUp(columns: columns) }
    }

    /// Lends the tiles of rows, made from the mapped shards.
    public func withTiles(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let entry = entries[index]
        guard case .exact(let encoding)? = weights[index].codes?.form,
            let geometry = PublishedGeometry(encoding, entry.slot.shape)
        else { preconditionFailure("holds no codes that tiles hold exactly") }
        let tiles = UnsafeMutableRawBufferPointer.allocate(
            byteCount: geometry.tileCount(rows: rows.count) * geometry.tileBytes, alignment: 64)
        defer { tiles.deallocate() }
        var filled = 0
        for part in entry.parts(rows) {
            guard case .derived(let derived) = part.weight.form, case .rows(let range) = part.view else {
                continue
            }
            let end = filled + geometry.tileCount(rows: range.count) * geometry.tileBytes
            try derived.writeTiles(range, into: UnsafeMutableRawBufferPointer(rebasing: tiles[filled..<end]))
            filled = end
        }
        try body(UnsafeRawBufferPointer(tiles))
    }

    /// The user knows the tensor by its published name.
    private func named(_ error: Failure, _ weight: StoredWeight?) -> Failure {
        guard error.kind == .badInput, error.file == nil, case .plain(let tensor)? = weight?.form else {
            return error
        }
        return Failure(
            .badInput, error.message, file: tensor.data.file.path,
            at: "tensor '\(tensor.name)'\(error.place.map { " " + $0 } ?? "")", remedy: error.remedy)
    }
}

extension CheckpointPlan {
    /// What a recipe is applied to, in the order of the graph.
    public var weights: [SourceWeight] {
        ledger.entries.map { entry in
            SourceWeight(
                name: entry.slot.name, shape: entry.slot.shape, type: entry.type, codes: entry.published,
                sources: entry.sources, note: entry.note)
        }
    }
}

extension CoverageLedger.Entry {
    /// Where some of the slot's rows are.
    fileprivate func parts(_ rows: Range<Int>) -> [WeightPiece] {
        var parts: [WeightPiece] = []
        var first = 0
        for piece in pieces {
            let span = first..<first + piece.view.count
            first = span.upperBound
            guard span.overlaps(rows) else { continue }
            let wanted = span.clamped(to: rows)
            parts.append(piece[wanted.lowerBound - span.lowerBound..<wanted.upperBound - span.lowerBound])
        }
        return parts
    }
}

extension WeightPiece {
    /// Lets the pages of rows leave memory; a transposed block's are read again for its next rows.
    fileprivate func giveUp(columns: Int) {
        guard case .rows(let rows) = view, case .plain(let tensor) = weight.form else { return }
        let (start, width) = (tensor.data.range.lowerBound, columns * tensor.type.width)
        tensor.data.file.advise(start + rows.lowerBound * width..<start + rows.upperBound * width, .dontNeed)
    }
}
