public import Bundles
public import GraphIR
internal import GroupFormats
public import Storage

/// What a recipe makes of the weights of a model, before any of it is done.
public struct QuantizationPlan: Sendable {
    /// A weight and what becomes of it.
    public struct Item: Sendable {
        /// What the source has.
        public let weight: SourceWeight
        /// What the recipe wants done with it; published codes may be carried over instead, as `description` says.
        public let choice: Recipe.Choice
        /// How it will stand in the bundle.
        public let description: TensorDescription
        /// What becomes of its codes; nil when it has none.
        let fate: CodesFate?

        /// Whether its codes are chosen by a solver that needs a calibration file.
        public var needsCalibration: Bool {
            guard case .groups = description.encoding, case .groups(_, let solver) = choice else {
                return false
            }
            return solver.isCalibrated
        }

        /// Whether its codes are chosen by what the weight is multiplied by, where that is known.
        var weighsColumns: Bool {
            guard case .groups = description.encoding, case .groups(_, let solver) = choice else {
                return false
            }
            return solver != .nearest
        }
    }

    /// What was applied.
    public let recipe: Recipe
    /// In the order of the source.
    public let items: [Item]
    /// Rules of the recipe that decided nothing: perhaps misspelled.
    public let idleRules: [Recipe.Rule]

    /// What the writer of the bundle must be given.
    public var descriptions: [TensorDescription] { items.map(\.description) }

    /// Bits that a value of the whole model takes.
    public var effectiveBits: Double {
        let (bytes, values) = items.reduce((0, 0)) { sum, item in
            (sum.0 + item.description.byteCount, sum.1 + item.weight.shape.count)
        }
        return values > 0 ? Double(bytes) * 8 / Double(values) : 0
    }

    /// Which weights' columns count by what they are multiplied by, and which could and do not, when that is known of `weights`.
    public func coverage(by weights: some Collection<String>) -> (covered: [String], missing: [String]) {
        let known = Set(weights)
        let names = items.filter(\.weighsColumns).map(\.weight.name)
        return (names.filter(known.contains), names.filter { !known.contains($0) })
    }

    /// Applies a recipe to weights by the uses that a model has for them.
    /// - Throws: `.badInput` when a weight of the model is missing or of another shape, or cannot be stored as chosen.
    public init(_ recipe: Recipe, _ model: ModelGraph, _ weights: [SourceWeight]) throws(Failure) {
        let uses = Dictionary(grouping: model.uses, by: \.weight)
        let sources = Dictionary(weights.map { ($0.name, $0.shape) }) { first, _ in first }
        for slot in model.weights {
            guard let shape = sources[slot.name] else {
                throw .badInput("is missing", at: "weight '\(slot.name)'")
            }
            guard shape == slot.shape else {
                throw .badInput("has shape \(shape) instead of \(slot.shape)", at: "weight '\(slot.name)'")
            }
        }
        self.recipe = recipe
        var items: [Item] = []
        for weight in weights { items.append(try Self.item(recipe, weight, uses[weight.name] ?? [])) }
        self.items = items
        let first = model.uses.compactMap { use in recipe.rules.firstIndex { $0.fits(use) } }
        idleRules = recipe.rules.indices.filter { !first.contains($0) }.map { recipe.rules[$0] }
    }

    private static func item(
        _ recipe: Recipe, _ weight: SourceWeight, _ uses: [Operation.WeightUse]
    ) throws(Failure) -> Item {
        let choice = weight.shape.rank == 2 ? recipe.choice(for: uses) ?? .keep : .keep
        let fate = weight.codes.map { CodesFate($0, choice) }
        let (encoding, note): (TensorEncoding, String?) =
            switch (fate, choice) {
            case (.carried(let format), _): (.zeroPoints(format), nil)
            case (_, .keep): (.float(weight.type), nil)
            case (_, .groups(let format, let solver)): (.groups(format), solver.note)
            }
        let notes = [weight.note, fate?.note(weight.codes?.kind) ?? "", note ?? ""].filter { !$0.isEmpty }
        let description = try TensorDescription(
            name: weight.name, shape: weight.shape, encoding: encoding, sources: weight.sources,
            note: notes.joined(separator: "; "))
        return Item(weight: weight, choice: choice, description: description, fate: fate)
    }
}
