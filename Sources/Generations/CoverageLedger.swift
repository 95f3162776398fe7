import Checkpoints
public import GraphIR
public import Storage

/// What became of every tensor of a checkpoint, and where every weight of the graph came from.
///
/// A ledger exists only when the books balance: each tensor is used exactly once or named as unused with a reason, and
/// each slot of the graph is filled by tensors of its shape.
public struct CoverageLedger: Sendable {
    /// A slot and what fills it.
    public struct Entry: Sendable {
        /// What is filled.
        public let slot: WeightSlot
        /// What fills it, row after row.
        public let pieces: [WeightPiece]
        /// What is done on the way, for people to read.
        public let note: String

        /// The element type of all pieces.
        public var type: ElementType { pieces[0].weight.type }
        /// The names of the tensors, each once.
        public var sources: [String] {
            var names: [String] = []
            for piece in pieces where names.last != piece.weight.sources.last {
                names += piece.weight.sources
            }
            return names
        }
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
    /// Tensors of the checkpoint.
    public let sourceCount: Int
    /// Those that fill a slot together with others.
    public let fusedCount: Int
    /// Those that fill several slots.
    public let splitCount: Int

    /// `729 source tensors: 729 mapped, 0 fused, 0 unused, 0 missing`.
    public var summary: String {
        "\(sourceCount) source tensors: \(sourceCount - unused.count) mapped, \(fusedCount) fused, "
            + (splitCount > 0 ? "\(splitCount) split, " : "") + "\(unused.count) unused, 0 missing"
    }

    /// The ledger as it is kept in the bundle.
    public var json: JSON {
        .pairs([
            "summary": .string(summary),
            "source_tensors": .int(sourceCount),
            "mapped": .int(sourceCount - unused.count),
            "fused": .int(fusedCount),
            "split": .int(splitCount),
            "unused": .array(
                unused.map { .pairs(["name": .string($0.name), "reason": .string($0.reason)]) }),
            "missing": 0,
        ])
    }

    /// Balances the books of `weights` against the slots of `graph`.
    /// - Parameters:
    ///   - extents: what the words of the name table stand for.
    ///   - unneeded: slots that the graph lacks, and why.
    ///   - passedOver: what the checkpoint holds beside weights.
    ///   - leftOut: tensors that no weight needs, and why.
    /// - Throws: `badInput` naming the tensors that are missing, unknown, mapped twice, misshapen or not of floats.
    init(
        _ weights: [StoredWeight], in directory: String, _ table: NameTable, _ graph: ModelGraph,
        extents: [String: Int], unneeded: [String: String], passedOver: [PassedOver] = [],
        leftOut: [(name: String, reason: String)] = []
    ) throws(Failure) {
        if let reason = CoverageLedger.strangeNames(weights, table) {
            throw .badInput(reason, file: directory)
        }
        var balance = LedgerBalance(weights, table, graph, extents: extents)
        for weight in weights {
            let sources = table.sources(of: weight.name)
            if let reason = sources.first.flatMap({ unneeded[$0.slot] }) {
                balance.unused += weight.sources.map { Unused(name: $0, reason: reason) }
            } else {
                balance.add(weight, sources)
            }
        }
        for item in passedOver {
            if table.sources(of: item.name).allSatisfy({ unneeded[$0.slot] != nil }) {
                balance.unused.append(Unused(name: item.name, reason: "\(item.kind), which nothing needs"))
            } else {
                balance.problems.append("'\(item.name)' is \(item.kind), which there is no reader for")
            }
        }
        (entries, fusedCount) = balance.finish()
        guard balance.problems.isEmpty else {
            throw .badInput(CoverageLedger.text(balance.problems), file: directory)
        }
        unused = balance.unused + leftOut.map { Unused(name: $0.name, reason: $0.reason) }
        splitCount = balance.splitCount
        sourceCount = weights.reduce(passedOver.count + leftOut.count) { $0 + $1.sources.count }
    }

    /// Says what the names are like when none is of the generation; nil when one is.
    private static func strangeNames(_ weights: [StoredWeight], _ table: NameTable) -> String? {
        guard let first = weights.first, weights.allSatisfy({ table.sources(of: $0.name).isEmpty }) else {
            return nil
        }
        let prefix = NameForms.commonPrefix(weights.map(\.name))
        let shared = prefix.isEmpty ? "" : ": all \(weights.count) names begin with '\(prefix)'"
        let expected = table.publishedPrefixes.map { "'\($0)'" }.joined(separator: ", ")
        return "no tensor has a name of this generation, such as '\(first.name)'\(shared); "
            + "names that begin with one of \(expected) were expected"
    }

    private static func text(_ problems: [String]) -> String {
        let shown = problems.prefix(8).joined(separator: "; ")
        let more = problems.count > 8 ? "; and \(problems.count - 8) more" : ""
        return "the checkpoint and its configuration do not fit: \(shown)\(more)"
    }
}
