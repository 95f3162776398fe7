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
                name: entry.slot.name, shape: entry.slot.shape, type: entry.tensor.type,
                sources: [entry.tensor.name],
                note: entry.tensor.shape == entry.slot.shape ? "" : "seen as \(entry.slot.shape)")
        }
    }

    /// Lends rows straight from the mapped shard, and gives their pages up afterwards.
    public func withRows(
        _ rows: Range<Int>, of index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let (data, weight) = (entries[index].tensor.data, weights[index])
        let width = (weight.shape.extents.last ?? 1) * weight.type.width
        let range = rows.lowerBound * width..<rows.upperBound * width
        do { try body(UnsafeRawBufferPointer(rebasing: data.bytes[range])) } catch {
            // The user knows the tensor by its published name.
            throw error.kind == .badInput && error.file == nil
                ? Failure(
                    .badInput, error.message, file: data.file.path,
                    at: "tensor '\(entries[index].tensor.name)'\(error.place.map { " " + $0 } ?? "")",
                    remedy: error.remedy)
                : error
        }
        data.file.advise(
            data.range.lowerBound + range.lowerBound..<data.range.lowerBound + range.upperBound, .dontNeed)
    }
}
