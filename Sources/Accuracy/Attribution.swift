/// What each part of a model costs alone: mean KL divergences in nats from the base, over a few samples.
public struct Attribution: Sendable {
    /// What a part costs.
    public struct Cost: Sendable, Equatable {
        /// When nothing but it is the other model's.
        public let only: Double
        /// When everything but it is the other model's; nil where it is not among the ``probed`` costliest of its kind.
        public let without: Double?

        /// A cost from both measures.
        public init(only: Double, without: Double?) {
            self.only = only
            self.without = without
        }
    }

    /// Linears that read one value, with what follows up to the next such value.
    public struct Module: Sendable {
        /// `text.block.3.mlp.gate+up`.
        public let name: String
        /// The graph that it is in.
        public let graph: String
        /// The number of its block; nil outside of blocks.
        public let block: Int?
        /// Its name without its block: `text.mlp.gate+up`.
        public let role: String
        /// The roles of its weights, as recipes name them.
        public let weightRoles: [String]
        /// What it costs.
        public let cost: Cost

        /// The rule of a recipe that keeps it at 8 bits.
        public var rule: String { RecipeLine(roles: weightRoles, block: block).text }
    }

    /// Of so many modules, blocks and roles, those that cost most alone, both measures are taken: the second says what mending brings.
    public static let probed = 8

    /// Modules together.
    public struct Group: Sendable {
        /// `text.block.3` or `text.mlp.gate+up`.
        public let name: String
        /// What they cost.
        public let cost: Cost
    }

    /// Samples that were run.
    public let samples: Int
    /// Their tokens.
    public let tokens: Int
    /// Positions whose answers were compared.
    public let positions: Int
    /// What the whole of the other model costs over them.
    public let whole: Double
    /// In the order of execution; without those that are the same in both models.
    public let modules: [Module]
    /// Whole blocks.
    public let blocks: [Group]
    /// The modules of one role in all blocks.
    public let roles: [Group]
    /// What the other model's weights cost when all is computed in float32.
    public let weights: Double
    /// What the whole costs when keys and values are kept as the runtime does, instead of in float32.
    public let cache: Double

    /// The modules that cost most alone first.
    public var costliest: [Module] { Self.largestFirst(modules, \.cost.only) }

    /// In falling order of a measure; equals keep theirs.
    static func largestFirst<Element>(
        _ elements: [Element], _ measure: (Element) -> Double
    ) -> [Element] {
        elements.enumerated().sorted {
            let (a, b) = (measure($0.element), measure($1.element))
            return a != b ? a > b : $0.offset < $1.offset
        }.map(\.element)
    }

    /// What all modules cost alone, added up.
    public var sum: Double { modules.reduce(0) { $0 + $1.cost.only } }
}
