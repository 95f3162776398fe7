public import GraphIR
public import GroupFormats
public import Storage

/// Which format each weight gets, so that the model's answers change least for the bytes that there are.
///
/// A weight stored in format f is taken to cost a KL divergence of α·e(f), and costs to add up (arXiv 2411.17525): e is the error of
/// the weight's outputs, α what a unit of it costs, both measured. Then the bytes go where each lowers the cost most: the
/// lower convex hull of every weight's choices, walked down greedily.
public struct Allocation: Sendable {
    /// A weight, or some of its rows, that a format is chosen for.
    public struct Candidate: Sendable {
        /// Its name.
        public let weight: String
        /// What it is for: several roles where it is embedding and head.
        public let roles: [String]
        /// The transformer block it is in, if any.
        public let block: Int?
        /// Which of its rows: all, but for tables of tokens.
        public let rows: Range<Int>
        /// Their values.
        public let values: Int
        /// Formats with the bytes that they take and the KL divergence that they are expected to cost, cheapest first; none
        /// takes more bytes than one that costs less.
        public let options: [Option]

        /// A candidate with the options that are worth their bytes: the lower convex hull of cost over bytes.
        public init(
            _ weight: String, _ uses: [Operation.WeightUse], rows: Range<Int>, values: Int,
            _ options: [Option]
        ) {
            self.weight = weight
            roles = uses.map(\.role.description)
            block = uses.first?.block
            self.rows = rows
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
            var blocks: [Recipe.Choice: [Int?]] = [:]
            for weight in Set(own.map(\.candidate.weight)) {
                let parts = own.filter { $0.candidate.weight == weight }
                blocks[Self.choice(parts, solver), default: []].append(parts.first?.candidate.block)
            }
            for choice in blocks.keys.sorted(by: Self.isCoarser) {
                let numbers = blocks[choice]?.compactMap { $0 } ?? []
                rules.append(.init(roles, blocks: blocks.count > 1 ? BlockSet(numbers) : nil, choice))
            }
        }
        return Recipe(
            name, summary: summary, rules: rules + rest.rules, fallback: rest.fallback, steps: rest.steps)
    }

    /// An order of choices that depends on nothing else.
    private static func isCoarser(_ one: Recipe.Choice, _ other: Recipe.Choice) -> Bool {
        if one.precision != other.precision { return one.precision < other.precision }
        return "\(one.encoding, default: "")" < "\(other.encoding, default: "")"
    }

    /// How the parts of one weight are stored; neighbours in one format are one band.
    private static func choice(_ parts: [Choice], _ solver: Solver) -> Recipe.Choice {
        var bands: [(start: Int, format: GroupFormat)] = []
        for part in parts.sorted(by: { $0.candidate.rows.lowerBound < $1.candidate.rows.lowerBound })
        where part.option.format != bands.last?.format {
            bands.append((part.candidate.rows.lowerBound, part.option.format))
        }
        if let rows = RowBands(bands.map(\.format), starts: bands.map(\.start)) {
            return .bands(rows, solver)
        }
        return bands.first.map { .groups($0.format, solver) } ?? .keep
    }
}
