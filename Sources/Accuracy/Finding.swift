/// Something about two bundles of one model that their formats do not explain.
public struct Finding: Sendable, Equatable {
    /// What kind of thing it is.
    public enum Kind: String, Sendable {
        /// Only one of the bundles has the tensor.
        case missing
        /// The tensor has another shape.
        case shape
        /// Values are NaN or infinite.
        case notFinite = "not-finite"
        /// The tensor is another one of the base's, or its experts are.
        case swappedWith = "swapped-with"
        /// Rows of the base in another order.
        case rowsPermuted = "rows-permuted"
        /// Two rows in each other's place.
        case rowsSwapped = "rows-swapped"
        /// Rows with the other sign.
        case rowNegated = "row-negated"
        /// The colours of the patch kernel in another order.
        case channelsSwapped = "channels-swapped"
        /// Rows times a constant.
        case rowScaled = "row-scaled"
        /// A group of columns of a row times a constant.
        case groupScaled = "group-scaled"
        /// Further away than its format and its kind explain, in no way that is known.
        case differs
        /// A whole role is further away than its formats cost.
        case encodingWorseThanExpected = "encoding-worse-than-expected"
        /// The graphs compute different things.
        case graph
        /// What some linears give, when they alone are exchanged, is further away than their weights explain.
        case stage
        /// Prompts, pictures or sampling are prepared differently.
        case promptSettings = "prompt-settings"
        /// The bytes are not those that the bundle's recipe makes of its checkpoint.
        case notAsConverted = "not-as-converted"
    }

    /// What kind of thing it is.
    public let kind: Kind
    /// The weight that it is about, if any.
    public let tensor: String?
    /// The role, operation or setting that it is about, where it is no weight.
    public let stage: String?
    /// The measure: a relative error, or a factor; nil where nothing is measured.
    public let figure: Double?
    /// What the measure should be at most, or about.
    public let expected: Double?
    /// A sentence for people.
    public let words: String
    /// What would mend it.
    public let remedy: String

    /// A finding of its parts.
    public init(
        _ kind: Kind, tensor: String? = nil, stage: String? = nil, figure: Double? = nil,
        expected: Double? = nil, _ words: String, remedy: String
    ) {
        self.kind = kind
        self.tensor = tensor
        self.stage = stage
        self.figure = figure
        self.expected = expected
        self.words = words
        self.remedy = remedy
    }

    /// In the order in which they matter; equals stay in theirs.
    public static func worstFirst(_ findings: [Finding]) -> [Finding] {
        findings.enumerated().sorted {
            isWorse($0.element, $1.element)
                || !isWorse($1.element, $0.element) && $0.offset < $1.offset
        }.map(\.element)
    }

    /// What comes first is worse: structure, weights by how far beyond expectation they are, then graphs and settings.
    static func isWorse(_ left: Finding, _ right: Finding) -> Bool {
        left.rank != right.rank ? left.rank < right.rank : left.excess > right.excess
    }

    private var rank: Int {
        switch kind {
        case .missing, .shape: 0
        case .notFinite: 1
        // A pattern says more than a distance.
        case .swappedWith, .rowsPermuted, .rowsSwapped, .rowNegated, .channelsSwapped, .rowScaled,
            .groupScaled:
            2
        case .differs, .notAsConverted: 3
        case .graph: 4
        case .promptSettings: 5
        // What follows from all these.
        case .stage: 6
        case .encodingWorseThanExpected: 7
        }
    }

    private var excess: Double {
        guard let figure, let expected, expected > 0 else { return .infinity }
        return figure / expected
    }
}
