public import Bundles
public import GraphIR
public import GroupFormats
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
        /// Of a bias that is to be corrected: the weight whose errors it makes up for.
        var corrects: String?

        /// Where its codes are to be chosen: for which rows in which formats, and how.
        public var solution: (runs: [CodedRows], solver: Solver)? {
            let runs = description.encoding.codedRows(description.shape)
            guard !runs.isEmpty, let solver = choice.solver else { return nil }
            return (runs, solver)
        }

        /// The format that ways of choosing codes are tried in: that of its last rows.
        var typicalFormat: GroupFormat? { solution?.runs.last?.geometry.format }

        /// Whether its bytes depend on more than the weight itself.
        /// - Parameter calibrated: whether something is known of what weights are multiplied by.
        public func needsInputs(calibrated: Bool) -> Bool {
            corrects != nil || solution?.solver.isCalibrated == true || calibrated && weighsColumns
        }

        /// Whether its codes are chosen by what the weight is multiplied by, where that is known.
        var weighsColumns: Bool { solution.map { $0.solver != .nearest } ?? false }
    }

    /// What was applied, every solver named.
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
    /// - Parameter solver: finds the codes where the recipe does not say what does.
    /// - Throws: `.badInput` when a weight of the model is missing or of another shape, or cannot be stored as chosen.
    public init(
        _ recipe: Recipe, _ model: ModelGraph, _ weights: [SourceWeight],
        solver: Solver = .best(calibrated: false)
    ) throws(Failure) {
        let recipe = recipe.resolved(solver)
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
        if recipe.steps.contains(.correctBiases) { try Self.correctBiases(&items, model) }
        self.items = items
        let first = model.uses.compactMap { use in recipe.rules.firstIndex { $0.fits(use) } }
        idleRules = recipe.rules.indices.filter { !first.contains($0) }.map { recipe.rules[$0] }
    }

    /// Makes room for corrections in the biases of weights that are solved by what they read.
    private static func correctBiases(_ items: inout [Item], _ model: ModelGraph) throws(Failure) {
        let indices = Dictionary(
            items.enumerated().map { ($0.element.weight.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        for (weight, bias) in model.biases {
            guard let own = indices[bias], let other = indices[weight],
                let solution = items[other].solution, solution.solver.isCalibrated, solution.runs.count == 1
            else { continue }
            let item = items[own]
            let description = try TensorDescription(
                name: bias, shape: item.weight.shape, encoding: .float(.float32),
                sources: item.weight.sources,
                note: [item.weight.note, "corrected"].filter { !$0.isEmpty }.joined(separator: "; "))
            items[own] = Item(
                weight: item.weight, choice: .keep, description: description, fate: nil, corrects: weight)
        }
    }

    private static func item(
        _ recipe: Recipe, _ weight: SourceWeight, _ uses: [Operation.WeightUse]
    ) throws(Failure) -> Item {
        let choice = weight.shape.rank == 2 ? recipe.choice(for: uses) ?? .keep : .keep
        let fate = weight.codes.map { CodesFate($0, choice) }
        let (encoding, note): (TensorEncoding, String?) =
            switch (fate, choice) {
            case (.carried(let encoding), _): (encoding, nil)
            case (_, _): (choice.encoding ?? .float(weight.type), choice.solver?.note)
            }
        let notes = [weight.note, fate?.note(weight.codes?.kind) ?? "", note ?? ""].filter { !$0.isEmpty }
        let description = try TensorDescription(
            name: weight.name, shape: weight.shape, encoding: encoding, sources: weight.sources,
            note: notes.joined(separator: "; "))
        return Item(weight: weight, choice: choice, description: description, fate: fate)
    }
}
