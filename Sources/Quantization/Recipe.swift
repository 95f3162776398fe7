public import GraphIR
public import GroupFormats

/// Says for every weight of a model how it is stored; `formats/recipe.md` specifies it.
///
/// Rules are tried in order, the first that fits a use of a weight decides it. A weight with several uses, such as a table
/// that is embedding and head, is stored as the most precise of the choices for its uses. Whatever is used by no linear
/// and no embedding, and whatever is no matrix, is kept.
public struct Recipe: Equatable, Sendable {
    /// What is done with a weight.
    public enum Choice: Hashable, Sendable {
        /// Bit for bit as the source has it.
        case keep
        /// In groups of codes; without a solver, those that `Solver.best` finds.
        case groups(GroupFormat, Solver?)
        /// The same, in several formats, each for a run of rows.
        case bands(RowBands, Solver?)

        /// How codes are stored; nil for what is kept.
        var encoding: TensorEncoding? {
            switch self {
            case .keep: nil
            case .groups(let format, _): .groups(format)
            case .bands(let bands, _): .bands(bands)
            }
        }

        /// What finds the codes; nil where that is left open, and for what is kept.
        var solver: Solver? {
            switch self {
            case .keep: nil
            case .groups(_, let solver), .bands(_, let solver): solver
            }
        }

        /// What stores codes so; nil for other encodings.
        init?(_ encoding: TensorEncoding, _ solver: Solver?) {
            switch encoding {
            case .groups(let format): self = .groups(format, solver)
            case .bands(let bands): self = .bands(bands, solver)
            case .float, .zeroPoints, .affine, .float4: return nil
            }
        }
    }

    /// Something that is done beside choosing codes.
    public enum Step: String, CaseIterable, Sendable {
        /// Turns the residual stream in all that writes it, and back in what reads it, norms' weights having gone there.
        case turnResidual = "turn-residual"
        /// Scales columns by what they are multiplied by, and the norm before them the other way (AWQ).
        case fold
        /// Turns the values of each attention head, and the columns that read them the other way.
        case turnHeads = "turn-heads"
        /// Moves biases by what rounding moves the mean of the outputs.
        case correctBiases = "correct-biases"
    }

    /// A choice for some uses of weights.
    public struct Rule: Equatable, Sendable {
        /// Patterns of roles, in which `*` stands for any run of characters; one must fit.
        public let roles: [String]
        /// The blocks it is for; nil for all, and for weights outside of blocks.
        public let blocks: BlockSet?
        /// What is done with weights in these uses.
        public let choice: Choice

        /// A rule for roles and, optionally, certain blocks only.
        public init(_ roles: [String], blocks: BlockSet? = nil, _ choice: Choice) {
            self.roles = roles
            self.blocks = blocks
            self.choice = choice
        }

        /// Whether it decides this use.
        public func fits(_ use: Operation.WeightUse) -> Bool {
            if let blocks {
                guard let block = use.block, blocks.contains(block) else { return false }
            }
            return roles.contains { use.role.matches($0) }
        }
    }

    /// What provenance and reports call it.
    public let name: String
    /// What it is good for, in a sentence; may be empty.
    public let summary: String
    /// In the order in which they are tried.
    public let rules: [Rule]
    /// For uses that no rule fits.
    public let fallback: Choice
    /// Bits a weight, on average, that are to be spent where they matter most: instead of the formats that the rules give, those of
    /// an allocation.
    public let targetBits: Double?
    /// What is done beside choosing codes; each needs a calibration file.
    public let steps: Set<Step>

    /// A recipe of rules.
    public init(
        _ name: String, summary: String = "", rules: [Rule], fallback: Choice = .keep,
        targetBits: Double? = nil, steps: Set<Step> = []
    ) {
        self.name = name
        self.summary = summary
        self.rules = rules
        self.fallback = fallback
        self.targetBits = targetBits
        self.steps = steps
    }

    /// The recipe with a solver wherever it leaves that open.
    func resolved(_ solver: Solver) -> Recipe {
        func resolved(_ choice: Choice) -> Choice {
            guard let encoding = choice.encoding, choice.solver == nil else { return choice }
            return Choice(encoding, solver) ?? choice
        }
        return Recipe(
            name, summary: summary,
            rules: rules.map { Rule($0.roles, blocks: $0.blocks, resolved($0.choice)) },
            fallback: resolved(fallback), targetBits: targetBits, steps: steps)
    }

    /// The choice for a weight with these uses, the most precise one; nil for a weight without any.
    public func choice(for uses: [Operation.WeightUse]) -> Choice? {
        uses.map { use in rules.first { $0.fits(use) }?.choice ?? fallback }.max {
            $0.precision < $1.precision
        }
    }
}

extension Recipe.Choice {
    /// Orders choices: kept before all codes, more bits before fewer, smaller groups before larger, later solvers before earlier.
    var precision: (Int, Int, Int) {
        switch self {
        case .keep: (Int.max, 0, 0)
        case .groups(let format, _): (format.bits.rawValue, -format.groupSize, solverRank)
        // As precise as what most rows have.
        case .bands(let bands, _):
            bands.formats.last.map { ($0.bits.rawValue, -$0.groupSize, solverRank) } ?? (0, 0, 0)
        }
    }

    private var solverRank: Int {
        solver.flatMap(Solver.allCases.firstIndex) ?? Solver.allCases.count
    }
}

/// Numbers of transformer blocks, written as `0-3,27`.
public struct BlockSet: Equatable, Sendable, CustomStringConvertible {
    /// In the order in which they were written.
    public let ranges: [ClosedRange<Int>]

    /// Reads numbers and ranges between commas; nil when the text is anything else.
    public init?(_ text: String) {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            let numbers = ends.compactMap { end in
                end.utf8.allSatisfy { (48...57).contains($0) } ? Int(end) : nil
            }
            guard numbers.count == ends.count, numbers.count <= 2, let first = numbers.first,
                let last = numbers.last,
                first <= last
            else { return nil }
            ranges.append(first...last)
        }
        self.ranges = ranges
    }

    /// A set of these numbers; nil for none.
    public init?(_ blocks: [Int]) {
        var ranges: [ClosedRange<Int>] = []
        for block in Set(blocks).sorted() {
            if let last = ranges.last, last.upperBound + 1 == block {
                ranges[ranges.count - 1] = last.lowerBound...block
            } else {
                ranges.append(block...block)
            }
        }
        guard !ranges.isEmpty else { return nil }
        self.ranges = ranges
    }

    /// Whether it has this block.
    public func contains(_ block: Int) -> Bool { ranges.contains { $0.contains(block) } }

    /// The text that reads as the same set.
    public var description: String {
        // Not by their count: that of all numbers is beyond an Int.
        ranges.map { range in
            let isOne = range.lowerBound == range.upperBound
            return isOne ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }.joined(separator: ",")
    }
}
