import Checkpoints
import GraphIR
public import GroupFormats
import Storage

extension CoverageLedger.Entry {
    /// The codes that fill the slot, as one matrix; nil when none do.
    public var published: PublishedCodes? {
        let parts = pieces.compactMap { piece -> PublishedCodes? in
            if case .derived(let derived) = piece.weight.form { derived.published } else { nil }
        }
        guard let first = parts.first else { return nil }
        if let other = parts.first(where: { if case .floats = $0.form { true } else { false } }) {
            return other
        }
        guard parts.count == pieces.count, parts.allSatisfy({ $0 == first }) else {
            return PublishedCodes(first.kind, .floats(because: "its tensors are stored in different ways"))
        }
        guard pieces.allSatisfy({ $0.weight.shape.extents.last == slot.shape.extents.last }) else {
            return PublishedCodes(first.kind, .floats(because: "it is seen in another shape"))
        }
        // A tile is filled by one piece.
        guard pieces.dropLast().allSatisfy({ $0.view.count % GroupGeometry.tileRows == 0 }) else {
            let rows = GroupGeometry.tileRows
            return PublishedCodes(
                first.kind, .floats(because: "tiles of \(rows) rows would be of several tensors or heads"))
        }
        return first
    }
}
