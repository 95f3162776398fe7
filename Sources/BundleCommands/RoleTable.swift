import Bundles
import CommandSupport
import GraphIR
import Quantization
import Storage

/// What a plan makes of the weights of each role, and what that is expected to cost.
struct RoleTable {
    /// Weights of the same roles in the same encoding.
    private struct Line {
        let roles: String
        let encoding: String
        var blocks: [Int] = []
        var tensors = 0
        var values = 0
        var bytes = 0
        /// Nil when it is known of none of them.
        var divergence: Double?
        /// Tensors of codes that nothing is known of, where something is of others.
        var unprobed = 0

        /// What is expected, for people.
        var expected: String {
            guard unprobed > 0 else { return divergence.map(significant) ?? "" }
            return divergence.map { "\(significant($0)), \(unprobed) not probed" } ?? "not probed"
        }
    }

    private var lines: [Line] = []
    private let divergences: [String: Double]?

    /// - Parameter divergences: the KL divergence that each weight is expected to cost; nil when nothing is known.
    init(_ plan: QuantizationPlan, _ graph: ModelGraph, _ divergences: [String: Double]?) {
        self.divergences = divergences
        let uses = Dictionary(grouping: graph.uses, by: \.weight)
        for item in plan.items {
            let own = uses[item.weight.name] ?? []
            let roles = own.map(\.role.description).reduce(into: [String]()) {
                if !$0.contains($1) { $0.append($1) }
            }
            add(item, roles.isEmpty ? "norms, biases" : roles.joined(separator: ", "), own.first?.block)
        }
    }

    private mutating func add(_ item: QuantizationPlan.Item, _ roles: String, _ block: Int?) {
        let encoding = "\(item.description.encoding)"
        let place =
            lines.firstIndex { $0.roles == roles && $0.encoding == encoding }
            ?? {
                // Beside what else has these roles.
                let end = lines.lastIndex { $0.roles == roles }.map { $0 + 1 } ?? lines.count
                lines.insert(Line(roles: roles, encoding: encoding), at: end)
                return end
            }()
        if let block { lines[place].blocks.append(block) }
        lines[place].tensors += 1
        lines[place].values += item.weight.shape.count
        lines[place].bytes += item.description.byteCount
        if let divergence = divergences?[item.weight.name] {
            lines[place].divergence = (lines[place].divergence ?? 0) + divergence
        } else if divergences != nil, item.solution != nil {
            lines[place].unprobed += 1
        }
    }

    /// Tensors of codes that nothing is known of, where something is of others.
    var unprobed: Int { lines.reduce(0) { $0 + $1.unprobed } }

    /// The KL divergence that all of it is expected to cost, but for what was not probed, in nats a token; nil when nothing is
    /// known.
    var divergence: Double? {
        guard let divergences, !divergences.isEmpty || unprobed == 0 else { return nil }
        return lines.reduce(0) { $0 + ($1.divergence ?? 0) }
    }

    /// The same in a clause.
    var summary: String? {
        divergence.map { expected in
            "expected KL divergence \(significant(expected))"
                + (unprobed > 0 ? " without \(unprobed) weights that were not probed" : "")
        }
    }

    /// For people.
    var text: String {
        var table = Table("role", "encoding", "blocks", "tensors", "values", "bytes", "bits", "expected KL")
        for line in lines {
            table.add(
                line.roles, line.encoding, BlockSet(line.blocks)?.description ?? "", "\(line.tensors)",
                "\(line.values)", ByteCount.text(line.bytes),
                fixed(Double(line.bytes) * 8 / Double(max(1, line.values)), 2),
                line.expected)
        }
        return table.text
    }

    /// For programs.
    var json: JSON {
        .array(
            lines.map { line in
                .pairs([
                    "roles": .string(line.roles), "encoding": .string(line.encoding),
                    "blocks": .string(BlockSet(line.blocks)?.description ?? ""),
                    "tensors": .int(line.tensors), "values": .int(line.values), "bytes": .int(line.bytes),
                    "expected_kl": line.divergence.map { .double($0) } ?? .null,
                    "not_probed": .int(line.unprobed),
                ])
            })
    }
}
