public import GraphIR
public import GroupFormats
public import Storage

/// Which format each weight gets, so that the model's answers change least for the bytes that there are.
///
/// A weight stored in format f is taken to cost a KL divergence of α·e(f), and costs to add up (arXiv 2411.17525): e is the error of
/// the weight's outputs, α what a unit of it costs, both measured. Then the bytes go where each lowers the cost most: the
/// lower convex hull of every weight's choices, walked down greedily.
public struct Allocation: Sendable {
    /// A weight that formats are chosen for.
    public struct Candidate: Sendable {
        /// Its name.
        public let weight: String
        /// What it is for: several roles where it is embedding and head.
        public let roles: [String]
        /// The transformer block it is in, if any.
        public let block: Int?
        /// Its values.
        public let values: Int
        /// Formats with the bytes that they take and the KL divergence that they are expected to cost, cheapest first; none
        /// takes more bytes than one that costs less.
        public let options: [Option]

        /// A candidate with the options that are worth their bytes: the lower convex hull of cost over bytes.
        public init(_ weight: String, _ uses: [Operation.WeightUse], values: Int, _ options: [Option]) {
            self.weight = weight
            roles = uses.map(\.role.description)
            block = uses.first?.block
            self.values = values
            var hull: [Option] = []
            for option in options.sorted(by: { ($0.bytes, $0.cost) < ($1.bytes, $1.cost) }) {
                if let last = hull.last, option.cost >= last.cost { continue }
                while hull.count >= 2,
                    hull[hull.count - 2].gain(to: hull[hull.count - 1])
                        <= hull[hull.count - 1].gain(to: option)
                {
                    hull.removeLast()
                }
                hull.append(option)
            }
            self.options = hull
        }
    }

    /// A format for a weight.
    public struct Option: Sendable {
        /// The format.
        public let format: GroupFormat
        /// What the weight takes in it.
        public let bytes: Int
        /// The KL divergence that it is expected to cost.
        public let cost: Double

        /// An option from its parts.
        public init(_ format: GroupFormat, bytes: Int, cost: Double) {
            self.format = format
            self.bytes = bytes
            self.cost = cost
        }

        /// How much cost a byte more saves.
        fileprivate func gain(to other: Option) -> Double {
            (cost - other.cost) / Double(max(1, other.bytes - bytes))
        }
    }

    /// A weight with the option that was chosen for it.
    public struct Choice: Sendable {
        /// The weight.
        public let candidate: Candidate
        /// What it gets.
        public let option: Option
    }

    /// In the order of the candidates.
    public let choices: [Choice]

    /// The bytes of all weights that formats were chosen for.
    public var bytes: Int { choices.reduce(0) { $0 + $1.option.bytes } }
    /// The KL divergence that is expected.
    public var cost: Double { choices.reduce(0) { $0 + $1.option.cost } }

    /// Spends at most `budget` bytes on `candidates`.
    /// - Throws: `limit`, with the least that would do, when `budget` is too small; of the same kind as what `describe` says
    ///   of a number of bytes.
    public init(
        _ candidates: [Candidate], budget: Int, describe: (Int) -> String
    ) throws(Failure) {
        var places = Array(repeating: 0, count: candidates.count)
        var left = budget - candidates.reduce(0) { $0 + ($1.options.first?.bytes ?? 0) }
        guard left >= 0 else {
            throw Failure(
                .limit, "too little: even the smallest formats take \(describe(budget - left))",
                remedy: "ask for at least that")
        }
        struct Step {
            let candidate: Int, place: Int, bytes: Int
            let gain: Double
        }
        var steps: [Step] = []
        for (index, candidate) in candidates.enumerated() {
            for (place, pair) in zip(candidate.options, candidate.options.dropFirst()).enumerated() {
                steps.append(
                    Step(
                        candidate: index, place: place + 1, bytes: pair.1.bytes - pair.0.bytes,
                        gain: pair.0.gain(to: pair.1)))
            }
        }
        steps.sort { ($1.gain, $0.candidate, $0.place) < ($0.gain, $1.candidate, $1.place) }
        // Along a hull gains fall, so a weight's steps come in their order; one that does not fit ends its weight's.
        for step in steps where step.place == places[step.candidate] + 1 && step.bytes <= left {
            places[step.candidate] = step.place
            left -= step.bytes
        }
        choices = zip(candidates, places).compactMap { candidate, place in
            candidate.options.indices.contains(place)
                ? Choice(candidate: candidate, option: candidate.options[place]) : nil
        }
    }

    /// The allocation as a recipe: for each role, which blocks get which format.
    /// - Parameter rest: what comes after the rules for these weights.
    public func recipe(_ name: String, summary: String, solver: Solver, rest: Recipe) -> Recipe {
        var rules: [Recipe.Rule] = []
        var kinds: [[String]] = []
        for choice in choices where !kinds.contains(choice.candidate.roles) {
            kinds.append(choice.candidate.roles)
        }
        for roles in kinds {
            let own = choices.filter { $0.candidate.roles == roles }
            let formats = GroupFormat.all.filter { format in own.contains { $0.option.format == format } }
            for format in formats {
                let blocks = own.filter { $0.option.format == format }.compactMap(\.candidate.block)
                rules.append(
                    .init(
                        roles, blocks: formats.count > 1 ? BlockSet(blocks) : nil, .groups(format, solver)))
            }
        }
        return Recipe(
            name, summary: summary, rules: rules + rest.rules, fallback: rest.fallback, steps: rest.steps)
    }
}
