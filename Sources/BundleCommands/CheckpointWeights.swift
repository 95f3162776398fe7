import Checkpoints
public import Generations
import GraphIR
public import Quantization
public import Storage

/// The weights of a checkpoint, in the order of the graph, on their way into a bundle.
public struct CheckpointWeights: WeightSource {
    /// In the order of the graph.
    public let weights: [SourceWeight]
    private let entries: [CoverageLedger.Entry]

    /// The weights that a balanced ledger maps.
    public init(_ ledger: CoverageLedger) {
        entries = ledger.entries
        weights = ledger.entries.map { entry in
            SourceWeight(
                name: entry.slot.name, shape: entry.slot.shape, type: entry.type, sources: entry.sources,
                note: entry.note)
        }
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
        var parts: [(tensor: SourceTensor, view: WeightPiece.View)] = []
        var first = 0
        for piece in entry.pieces {
            let span = first..<first + piece.view.count
            first = span.upperBound
            guard span.overlaps(rows) else { continue }
            let wanted = span.clamped(to: rows)
            let view = piece.view.part(
                wanted.lowerBound - span.lowerBound..<wanted.upperBound - span.lowerBound)
            switch piece.weight.form {
            case .plain(let tensor): parts.append((tensor, view))
            }
        }
        do {
            if parts.count == 1, case .rows(let range) = parts[0].view {
                let width = columns * entry.type.width
                let bytes = parts[0].tensor.data.bytes
                try body(
                    UnsafeRawBufferPointer(
                        rebasing: bytes[range.lowerBound * width..<range.upperBound * width]))
            } else {
                let gather = RowGather(rows: rows.count, columns: columns, width: entry.type.width)
                for part in parts { gather.append(part.tensor.data.bytes, part.view) }
                try gather.lend(body)
            }
        } catch {
            throw named(error, entry, parts.first?.tensor)
        }
        for part in parts { part.tensor.giveUp(part.view, columns: columns) }
    }

    /// The user knows the tensor by its published name.
    private func named(_ error: Failure, _ entry: CoverageLedger.Entry, _ tensor: SourceTensor?) -> Failure {
        guard error.kind == .badInput, error.file == nil, let tensor else { return error }
        return Failure(
            .badInput, error.message, file: tensor.data.file.path,
            at: "tensor '\(tensor.name)'\(error.place.map { " " + $0 } ?? "")", remedy: error.remedy)
    }
}

extension WeightPiece.View {
    /// Some of the rows that it gives.
    fileprivate func part(_ rows: Range<Int>) -> WeightPiece.View {
        switch self {
        case .rows(let all): .rows(all.lowerBound + rows.lowerBound..<all.lowerBound + rows.upperBound)
        case .columns(let all, let firstRow, let pitch):
            .columns(
                all.lowerBound + rows.lowerBound..<all.lowerBound + rows.upperBound, firstRow: firstRow,
                pitch: pitch)
        }
    }
}

extension SourceTensor {
    /// Lets the pages of rows leave memory; a transposed block's are read again for its next rows.
    fileprivate func giveUp(_ view: WeightPiece.View, columns: Int) {
        guard case .rows(let rows) = view else { return }
        let (start, width) = (data.range.lowerBound, columns * type.width)
        data.file.advise(start + rows.lowerBound * width..<start + rows.upperBound * width, .dontNeed)
    }
}
