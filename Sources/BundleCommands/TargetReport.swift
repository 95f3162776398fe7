import CommandSupport
public import Quantization
import Storage

/// What was asked of a budget, and what became of it.
public struct TargetReport {
    private let asked: String
    private let budgeted: BudgetedRecipe

    /// - Parameter asked: the budget, as it is put to the user.
    public init(_ asked: String, _ budgeted: BudgetedRecipe) {
        self.asked = asked
        self.budgeted = budgeted
    }

    /// For people.
    var text: String {
        var lines = [
            "asked for \(asked): \(fixed(budgeted.plan.effectiveBits, 2)) bits a weight are spent"
                + (budgeted.shortfall.map { ", for \($0)" } ?? "")
        ]
        if let unprobed { lines.append(unprobed) }
        return lines.joined(separator: "\n")
    }

    private var unprobed: String? {
        let (count, atLeast) = budgeted.unknown
        guard count > 0 else { return nil }
        let floor = atLeast.map { ", at least \($0), which all weights could have alike" } ?? ""
        return
            "\(count) weights were not probed: the recipe '\(budgeted.recipe.name)' chooses their formats\(floor)"
    }

    /// For programs.
    var json: JSON {
        .pairs([
            "asked": .string(asked), "budget_bytes": .int(budgeted.budget),
            "bytes": .int(budgeted.plan.byteCount), "effective_bits": .double(budgeted.plan.effectiveBits),
            "shortfall": budgeted.shortfall.map { .string($0) } ?? .null,
            "left_to_recipe": .int(budgeted.unknown.count),
        ])
    }
}
