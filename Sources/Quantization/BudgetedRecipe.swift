public import Bundles
public import GraphIR
public import GroupFormats
public import Storage

/// A recipe whose formats spend a budget of bytes where the answers gain most.
///
/// Weights whose sensitivity is known take part in the allocation. What becomes of the others the base recipe says, but that they get no
/// smaller format than all weights could have alike for the same bytes: nothing says that they matter less than others.
public struct BudgetedRecipe: Sendable {
    /// Rules for every weight; applied to the same model it gives ``plan`` again.
    public let recipe: Recipe
    /// What it makes of the weights.
    public let plan: QuantizationPlan
    /// What the weights may take.
    public let budget: Int
    /// Weights whose codes are chosen although nothing is known of how much they matter, and the format that all weights could
    /// have alike, which these have at least.
    public let unknown: (count: Int, atLeast: GroupFormat?)
    private let nextStep: Int?

    /// Bits a weight, on average over all weights, that may be left unspent without a word.
    public static let tolerance = 0.02

    /// Spends `budget` bytes on all weights of a bundle.
    /// - Parameters:
    ///   - base: decides about the weights whose sensitivity is not known.
    ///   - describe: puts a number of bytes to the user.
    /// - Throws: `limit`, with the least that would do, when `budget` is too small.
    public init(
        _ base: Recipe, summary: String, _ model: ModelGraph, _ bundle: Bundle, _ known: Sensitivities,
        budget: Int, describe: (Int) -> String
    ) throws(Failure) {
        let solver = Solver.best(calibrated: true)
        let weights = try BundleWeights(bundle).weights
        let start = try QuantizationPlan(base, model, weights, solver: solver)
        var candidates = try known.candidates(GroupFormat.all, solver)
        let names = Set(candidates.flatMap(\.weights))
        let others = start.items.filter { !names.contains($0.weight.name) }
        let uniform = Self.uniform(start, budget: budget)
        let uses = Dictionary(grouping: model.uses, by: \.weight)
        var fixed = 0
        for item in others {
            if let uniform, let raised = item.raised(to: uniform), let own = uses[item.weight.name] {
                candidates.append(
                    .init(
                        [item.weight.name], roles: own.map(\.role.description), block: own.first?.block,
                        rows: 0..<item.weight.rowCount, [.init(uniform, bytes: raised, cost: 0)]))
            } else {
                fixed += item.description.byteCount
            }
        }
        let allocation = try Allocation(candidates, budget: budget - fixed) { describe($0 + fixed) }
        let rest = Recipe(base.name, rules: base.rules, fallback: base.fallback, steps: base.steps)
        recipe = allocation.recipe(base.name, summary: summary, solver: solver, rest: rest)
            .withoutIdleRules(for: model)
        plan = try QuantizationPlan(recipe, model, weights, solver: solver)
        guard plan.byteCount == fixed + allocation.bytes else {
            throw .badInput(
                "has weights whose formats no rule for roles and blocks can set apart", file: bundle.path)
        }
        self.budget = budget
        unknown = (others.count { $0.solution != nil }, uniform)
        nextStep = allocation.nextStep
    }

    /// The most precise format that all weights which are to be quantized could have alike.
    private static func uniform(_ plan: QuantizationPlan, budget: Int) -> GroupFormat? {
        func bytes(_ format: GroupFormat) -> Int {
            plan.items.reduce(0) { sum, item in
                guard item.solution != nil, let geometry = GroupGeometry(format, item.weight.shape) else {
                    return sum + item.description.byteCount
                }
                return sum + geometry.byteCount
            }
        }
        return GroupFormat.all.map { (format: $0, bytes: bytes($0)) }.filter { $0.bytes <= budget }
            .max { $0.bytes < $1.bytes }?.format
    }

    /// Why less was spent than was asked for, in a clause; nil where it is less by no more than ``tolerance``.
    public var shortfall: String? {
        let values = plan.items.reduce(0) { $0 + $1.weight.shape.count }
        let left = budget - plan.byteCount
        guard Double(left) * 8 > Self.tolerance * Double(values) else { return nil }
        guard let nextStep else {
            return "every weight whose sensitivity is known has the best format that there is"
        }
        return "\(left) bytes are left, and the least step to a better format takes \(nextStep)"
    }
}

extension QuantizationPlan {
    /// Bytes of all weights.
    public var byteCount: Int { items.reduce(0) { $0 + $1.description.byteCount } }
}

extension QuantizationPlan.Item {
    /// The bytes that the weight would take in a format, where its codes are to be chosen and would get more bytes than now.
    fileprivate func raised(to format: GroupFormat) -> Int? {
        guard solution != nil, let geometry = GroupGeometry(format, weight.shape),
            geometry.byteCount > description.byteCount
        else { return nil }
        return geometry.byteCount
    }
}
