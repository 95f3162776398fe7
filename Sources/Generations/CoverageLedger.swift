public import Checkpoints
public import GraphIR
public import Storage

/// What became of every tensor of a checkpoint, and where every weight of the graph came from.
///
/// A ledger exists only when the books balance: each tensor is used exactly once or named as unused with a reason, and
/// each slot of the graph is filled by a tensor of its shape.
public struct CoverageLedger: Sendable {
    /// A slot and the tensor that fills it.
    public struct Entry: Sendable {
        /// What is filled.
        public let slot: WeightSlot
        /// What fills it.
        public let tensor: SourceTensor
    }

    /// A tensor that no slot needs.
    public struct Unused: Sendable {
        /// Its published name.
        public let name: String
        /// Why no slot needs it.
        public let reason: String
    }

    /// In the order of the graph's weights.
    public let entries: [Entry]
    /// Tensors left out, each with its reason.
    public let unused: [Unused]

    /// `729 source tensors: 729 mapped, 0 fused, 0 unused, 0 missing`.
    public var summary: String {
        "\(entries.count + unused.count) source tensors: \(entries.count) mapped, 0 fused, \(unused.count) unused, 0 missing"
    }

    /// The ledger as it is kept in the bundle.
    public var json: JSON {
        .pairs([
            "summary": .string(summary),
            "source_tensors": .int(entries.count + unused.count),
            "mapped": .int(entries.count),
            "fused": 0,
            "unused": .array(
                unused.map { .pairs(["name": .string($0.name), "reason": .string($0.reason)]) }),
            "missing": 0,
        ])
    }

    /// Balances the books of `checkpoint` against the slots of `graph`.
    /// - Parameter extents: what the words of the name table's shapes stand for.
    /// - Throws: `badInput` naming the tensors that are missing, unknown, mapped twice, misshapen or not of floats.
    init(
        _ checkpoint: Checkpoint, _ table: NameTable, _ graph: ModelGraph, extents: [String: Int],
        unneeded: [String: String]
    ) throws(Failure) {
        var fills: [String: SourceTensor] = [:]
        var unused: [Unused] = []
        var problems: [String] = []
        let slots = Dictionary(uniqueKeysWithValues: graph.weights.map { ($0.name, $0) })
        for tensor in checkpoint.tensors {
            guard let source = table.source(of: tensor.name) else {
                problems.append("'\(tensor.name)' is not a tensor of this generation")
                continue
            }
            if let reason = unneeded[source.slot] {
                unused.append(Unused(name: tensor.name, reason: reason))
                continue
            }
            guard let slot = slots[source.slot] else {
                problems.append("'\(tensor.name)' is beyond what config.json describes")
                continue
            }
            let expected =
                source.shape.map { words in words.compactMap { Int($0) ?? extents[$0] } }
                ?? slot.shape.extents
            if let earlier = fills.updateValue(tensor, forKey: slot.name) {
                problems.append("'\(earlier.name)' and '\(tensor.name)' are the same weight")
            } else if tensor.shape.extents != expected {
                problems.append("'\(tensor.name)' has shape \(tensor.shape), not \(expected)")
            } else if !tensor.type.isFloat {
                problems.append("'\(tensor.name)' holds \(tensor.type.rawValue), not floats")
            }
        }
        var entries: [Entry] = []
        for slot in graph.weights {
            if let tensor = fills[slot.name] {
                entries.append(Entry(slot: slot, tensor: tensor))
            } else {
                problems.append("nothing fills '\(slot.name)'")
            }
        }
        guard problems.isEmpty else {
            throw .badInput(CoverageLedger.text(problems), file: checkpoint.directory)
        }
        self.entries = entries
        self.unused = unused
    }

    private static func text(_ problems: [String]) -> String {
        let shown = problems.prefix(8).joined(separator: "; ")
        let more = problems.count > 8 ? "; and \(problems.count - 8) more" : ""
        return "the checkpoint and its configuration do not fit: \(shown)\(more)"
    }
}
