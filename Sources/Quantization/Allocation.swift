public import GroupFormats
public import Storage

/// Which format each weight gets, so that the model's answers change least for the bytes that there are.
///
/// A weight stored in format f is taken to cost a KL divergence of α·e(f), and costs to add up (arXiv 2411.17525): e is the error of
/// the weight's outputs, α what a unit of it costs, both measured. Then the bytes go where each lowers the cost most: the
/// lower convex hull of every weight's choices, walked down greedily.
public struct Allocation: Sendable {
    /// A weight, or some of its rows, that a format is chosen for; or several weights that no rule could tell apart, for their roles
    /// and blocks are the same.
    public struct Candidate: Sendable {
        /// Their names.
        public let weights: [String]
        /// What each is for: several roles where it is embedding and head.
        public let roles: [String]
        /// The transformer block it is in, if any.
        public let block: Int?
        /// Which of its rows: all, but for tables of tokens.
        public let rows: Range<Int>
        /// Formats with the bytes that they take and the KL divergence that they are expected to cost, fewest bytes first; each
        /// costs less than those before it.
        public let options: [Option]
        /// The places of those that are worth their bytes most: the lower convex hull of cost over bytes.
        public let hull: [Int]

        /// A candidate with the options that are worth their bytes.
        public init(
            _ weights: [String], roles: [String], block: Int?, rows: Range<Int>, _ options: [Option]
        ) {
            self.weights = weights
            self.roles = roles
            self.block = block
            self.rows = rows
            var worthy: [Option] = []
            for option in options.sorted(by: { ($0.bytes, $0.cost) < ($1.bytes, $1.cost) })
            where option.cost < worthy.last?.cost ?? .infinity {
                worthy.append(option)
            }
            var hull: [Int] = []
            for (place, option) in worthy.enumerated() {
                while hull.count >= 2,
                    worthy[hull[hull.count - 2]].gain(to: worthy[hull[hull.count - 1]])
                        <= worthy[hull[hull.count - 1]].gain(to: option)
                {
                    hull.removeLast()
                }
                hull.append(place)
            }
            self.options = worthy
            self.hull = hull
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

    /// A candidate with the option that was chosen for it.
    public struct Choice: Sendable {
        /// What it was chosen for.
        public let candidate: Candidate
        /// What it gets.
        public let option: Option
    }

    /// In the order of the candidates.
    public let choices: [Choice]
    /// The bytes that the least step to a better format takes, of those that were not taken for want of room; nil where every
    /// candidate has the best of its formats.
    public let nextStep: Int?

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
            let candidate: Int, place: Int, from: Int, bytes: Int
            let gain: Double
        }
        func step(_ candidate: Int, from: Int, to place: Int) -> Step {
            let (now, next) = (candidates[candidate].options[from], candidates[candidate].options[place])
            return Step(
                candidate: candidate, place: place, from: from, bytes: next.bytes - now.bytes,
                gain: now.gain(to: next))
        }
        func isBetter(_ one: Step, _ other: Step) -> Bool {
            (other.gain, one.candidate, one.place) < (one.gain, other.candidate, other.place)
        }
        let steps = candidates.indices.flatMap { index in
            zip(candidates[index].hull, candidates[index].hull.dropFirst()).map {
                step(index, from: $0, to: $1)
            }
        }
        // Along a hull gains fall, so a weight's steps come in their order; one that does not fit ends its weight's.
        for step in steps.sorted(by: isBetter) where step.from == places[step.candidate] && step.bytes <= left
        {
            places[step.candidate] = step.place
            left -= step.bytes
        }
        // What is left, too little for the next step of any hull, goes to whatever else lowers the cost.
        var open: [Step] = []
        repeat {
            open = candidates.indices.flatMap { index in
                candidates[index].options.indices.dropFirst(places[index] + 1).map {
                    step(index, from: places[index], to: $0)
                }
            }
            guard let best = open.filter({ $0.bytes <= left }).min(by: isBetter) else { break }
            places[best.candidate] = best.place
            left -= best.bytes
        } while true
        nextStep = open.map(\.bytes).min()
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
            var blocks: [Recipe.Choice: [Int]] = [:]
            var outside: Recipe.Choice?
            for (block, parts) in Dictionary(grouping: own, by: \.candidate.block) {
                let choice = Self.choice(parts, solver)
                if let block { blocks[choice, default: []].append(block) } else { outside = choice }
            }
            for choice in blocks.keys.sorted(by: Self.isCoarser) {
                rules.append(.init(roles, blocks: BlockSet(blocks[choice] ?? []), choice))
            }
            // Without blocks it would fit those in blocks, too.
            if let outside { rules.append(.init(roles, outside)) }
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
