import Bundles
import CommandSupport
import Generations
import GraphIR
import Quantization
import Storage

/// What would be written, by the recipe that was chosen and by the others.
struct PlanReport {
    private let plan: QuantizationPlan
    private let checkpoint: CheckpointPlan?
    private let roles: RoleTable
    private let target: TargetReport?
    /// Of every recipe that has a name, and of the chosen one.
    private let sizes: [RecipeSize]

    /// - Parameters:
    ///   - target: the budget that the recipe keeps to, if any.
    ///   - checkpoint: where the weights come from, unless that is a bundle.
    init(
        _ plan: QuantizationPlan, _ graph: ModelGraph, _ roles: RoleTable, _ target: TargetReport?,
        of checkpoint: CheckpointPlan?
    ) throws(Failure) {
        self.plan = plan
        self.checkpoint = checkpoint
        self.roles = roles
        self.target = target
        sizes = try RecipeSize.all(graph, plan.items.map(\.weight), chosen: plan)
    }

    private var weightBytes: Int { plan.descriptions.reduce(0) { $0 + $1.byteCount } }

    /// For people.
    /// - Parameter verbose: whether to list every tensor.
    func text(verbose: Bool) -> String {
        var parts: [String] = []
        if let checkpoint {
            parts.append("\(checkpoint.ledger.summary)\n\(checkpoint.parameterCount) parameters")
        }
        if let summary = plan.codesSummary { parts.append(summary) }
        if verbose { parts.append(tensorTable) }
        parts.append(roles.text)
        let expected = roles.summary.map { ", \($0)" } ?? ""
        parts.append(
            "\(ByteCount.text(weightBytes)) of weights, \(fixed(plan.effectiveBits, 2)) bits a weight\(expected)"
        )
        if let target { parts.append(target.text) }
        parts.append(RecipeSize.table(sizes))
        parts.append("Tokenizer, graph and directory, a few MiB, come on top.")
        return parts.joined(separator: "\n\n")
    }

    private var tensorTable: String {
        var table = Table("tensor", "shape", "encoding", "bytes")
        for tensor in plan.descriptions {
            table.add(tensor.name, "\(tensor.shape)", "\(tensor.encoding)", "\(tensor.byteCount)")
        }
        return table.text
    }

    /// For programs.
    var json: JSON {
        var members: [JSON.Member] = []
        if let checkpoint {
            members = [
                .init("generation", .string(checkpoint.generation)),
                .init("parameters", .int(checkpoint.parameterCount)),
                .init("ledger", plan.entering(into: checkpoint.ledger.json)),
            ]
        }
        members += [
            .init("recipe", .string(plan.recipe.name)), .init("bytes", .int(weightBytes)),
            .init("effective_bits", .double(plan.effectiveBits)),
            .init("expected_kl", roles.divergence.map { .double($0) } ?? .null),
            .init("not_probed", .int(roles.unprobed)), .init("target", target?.json ?? .null),
            .init("roles", roles.json),
            .init("recipes", .array(sizes.map(\.json))),
            .init(
                "tensors",
                .array(
                    plan.descriptions.map { tensor in
                        .pairs([
                            "name": .string(tensor.name), "encoding": .string("\(tensor.encoding)"),
                            "bytes": .int(tensor.byteCount),
                        ])
                    })),
        ]
        return .object(members)
    }
}
