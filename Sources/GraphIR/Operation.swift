/// The operations of a graph, at the grain at which a weight is used.
///
/// Each case says what it takes and gives; `n` and `m` are any extents. `inferType` checks it.
public enum Operation: Hashable, Sendable {
    // Where weights are used.

    /// ids [n] → rows of the table [n, columns].
    case embedding(WeightUse)
    /// x [n, K] → x Wᵀ + b [n, N], with W [N, K].
    case linear(WeightUse, bias: String?)
    /// → the weight itself [N, K].
    case parameter(String)
    /// coordinates [2, n], segments → a row [n, K] for each place, from a square table of S² rows stretched over its frame.
    case positionTable(String, Interpolation)
    /// x [n, K] (or [n, chosen·K], a part for each choice), routes [n, 2·chosen] → [n, chosen·N], with W of E experts [E·N, K].
    case expertLinear(WeightUse, experts: Int, chosen: Int)
    /// x [n, K] → [n, K], each row normalised.
    case norm(Norm)

    // Element by element.

    /// x → f(x).
    case activation(Activation)
    /// gate, up → f(gate) · up.
    case gatedProduct(Activation)
    /// a, b → a + b.
    case add

    // Rows and columns.

    /// a, b, … [n, …] → [n, sum]: side by side.
    case concatenate

    /// x [n, K] → the given columns [n, count].
    case columns(Range<Int>)
    /// x [n, K] → [n/factor, K·factor]: consecutive rows side by side.
    case mergeRows(Int)
    /// x [n, K], index [m] → x[index] [m, K].
    case selectRows
    /// x [n, K], rows [m, K], index [m] → x with x[index] = rows.
    case scatterRows
    /// x [n, K], rows [m, K], index [m] → x with x[index] += rows.
    case addRows

    // Choice of experts.

    /// scores [n, E] → [n, 2·chosen]: the numbers of the best-scored, best first, then their shares of softmax, which sum to 1.
    case route(chosen: Int)
    /// x [n, chosen·K], routes [n, 2·chosen] → [n, K]: the parts, each times its share.
    case weightedSum(chosen: Int)

    // Along the sequence.

    /// positions [axes, n] (and, when it stretches, the prompt's length [1]) → [n, headDimension]: cosines, then sines, of
    /// the rotary angles.
    case rotaryTable(RotaryTable)
    /// x [n, heads·headDimension], table [n, headDimension] → x rotated, pairing column i of a head with i + headDimension/2.
    case rotary(heads: Int, headDimension: Int)
    /// x [n, K], positions [1, n] → x, each row times max(1, ln(position + 1) / ln(length)).
    case lengthScale(Int)
    /// coordinates [2, n], segments → [2, n]: the rows, window by window of side² places; for each, where its window starts.
    case windows(side: Int)
    /// q [n, heads·d], k and v [m, keyHeads·d] (and what bounds their extent) → [n, heads·d].
    case attention(Attention)

    /// The weight of an embedding or a linear, and what it is for.
    public struct WeightUse: Hashable, Sendable {
        /// The name of its slot.
        public let weight: String
        /// What it is for.
        public let role: Role
        /// The number of the transformer block it is in, if any.
        public let block: Int?

        /// A use of a weight; `block` where it is in a transformer block.
        public init(_ weight: String, _ role: Role, block: Int? = nil) {
            self.weight = weight
            self.role = role
            self.block = block
        }
    }

    /// A normalisation over the columns of each row.
    public struct Norm: Hashable, Sendable {
        /// Its kind.
        public enum Kind: String, Sendable {
            /// x / √(mean x² + ε) · w.
            case rms
            /// (x − mean) / √(variance + ε) · w + b.
            case layer
        }

        /// Below it, float32 has no full precision left.
        static let smallestEpsilon = 1e-30

        /// Its kind.
        public let kind: Kind
        /// The name of its slot, [K/heads].
        public let weight: String
        /// Present exactly for `layer`.
        public let bias: String?
        /// ε, added under the root; 1e-30 to 1.
        public let epsilon: Double
        /// Equal parts of a row, each normalised by itself with the same weights.
        public let heads: Int

        /// A normalisation with the names of its weights.
        public init(_ kind: Kind, weight: String, bias: String? = nil, epsilon: Double, heads: Int = 1) {
            self.kind = kind
            self.weight = weight
            self.bias = bias
            self.epsilon = epsilon
            self.heads = heads
        }
    }

    /// A function applied to each element.
    public enum Activation: String, CaseIterable, Sendable {
        /// x · sigmoid(x).
        case silu
        /// x · sigmoid(1.702 x).
        case quickGELU = "quick_gelu"
        /// x · Φ(x), with the error function.
        case gelu
        /// The tanh approximation of `gelu`.
        case geluTanh = "gelu_tanh"
    }

    /// How a square table of positions is stretched over the places of a frame.
    public enum Interpolation: String, CaseIterable, Sendable {
        /// Between the four nearest rows; the table's corners fall on the frame's.
        case bilinear
        /// Keys' kernel with a = −0.75 over 4×4 rows; places and rows are areas, and rows beyond the edge repeat it.
        case bicubic
    }

    /// How positions become rotary angles.
    public struct RotaryTable: Hashable, Sendable {
        /// Which axis of the positions drives which frequency.
        public enum Layout: Hashable, Sendable {
            /// Frequencies θ^(−2j/d), j < d/2; the first section follows axis 0, the next axis 1, and so on.
            case sections([Int])
            /// The same frequencies; the axes take turns from axis 0 on, each but 0 until it has had its section.
            case interleaved([Int])
            /// Every axis has its own frequencies θ^(−2j/(d/axes)), j < d/(2·axes), side by side.
            case axial(axes: Int)
        }

        /// Above it, a θ that stretches might be more than float32 holds.
        static let largestTheta = 1e15

        /// d, even.
        public let headDimension: Int
        /// θ, the base of the frequencies; 1 to 1e15.
        public let theta: Double
        /// Which axis drives which frequency.
        public let layout: Layout
        /// With it, a prompt of n tokens beyond so many has θ · α^(d/(d−2)), α = 2^⌈log₂(n/trained) + 1⌉ − 1 ("dynamic NTK").
        public let trainedLength: Int?

        /// A table for heads of `headDimension` columns.
        public init(headDimension: Int, theta: Double, layout: Layout, trainedLength: Int? = nil) {
            self.headDimension = headDimension
            self.theta = theta
            self.layout = layout
            self.trainedLength = trainedLength
        }

        /// The number of position rows it takes.
        public var axes: Int {
            switch layout {
            case .sections(let sections), .interleaved(let sections): sections.count
            case .axial(let axes): axes
            }
        }
    }

    /// Scaled dot-product attention.
    public struct Attention: Hashable, Sendable {
        /// Which keys a query sees.
        public enum Extent: Hashable, Sendable {
            /// All earlier tokens and itself, in sequence order, through the cache of layer `layer`.
            case causal(layer: Int)
            /// The rows of its own segment; its boundaries [segments] are the fourth operand.
            case segments
            /// The rows of its own window; `windows` [2, n] is the fourth operand.
            case windows
            /// All rows.
            case all
        }

        /// Heads of the queries.
        public let heads: Int
        /// Heads of keys and values; a divisor of `heads`.
        public let keyHeads: Int
        /// Columns of a head, at most 256.
        public let headDimension: Int
        /// Which keys a query sees.
        public let extent: Extent

        /// Attention scaled by 1/√headDimension.
        public init(heads: Int, keyHeads: Int, headDimension: Int, extent: Extent) {
            self.heads = heads
            self.keyHeads = keyHeads
            self.headDimension = headDimension
            self.extent = extent
        }
    }
}
