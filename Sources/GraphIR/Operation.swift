/// The operations of a graph, at the grain at which a weight is used.
///
/// Each case says what it takes and gives; `n` and `m` are any extents. `inferType` checks it.
public enum Operation: Hashable, Sendable {
    // Where weights are used.

    /// ids [n] → rows of the table [n, columns].
    case embedding(WeightUse)
    /// x [n, K] → x Wᵀ + b [n, N], with W [N, K].
    case linear(WeightUse, bias: String?)
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

    /// x [n, K] → the given columns [n, count].
    case columns(Range<Int>)
    /// x [n, K] → [n/factor, K·factor]: consecutive rows side by side.
    case mergeRows(Int)
    /// x [n, K], index [m] → x[index] [m, K].
    case selectRows
    /// x [n, K], rows [m, K], index [m] → x with x[index] = rows.
    case scatterRows

    // Along the sequence.

    /// positions [axes, n] → [n, headDimension]: cosines, then sines, of the rotary angles.
    case rotaryTable(RotaryTable)
    /// x [n, heads·headDimension], table [n, headDimension] → x rotated, pairing column i of a head with i + headDimension/2.
    case rotary(heads: Int, headDimension: Int)
    /// q [n, heads·d], k and v [n, keyHeads·d] (and, within segments, boundaries [segments]) → [n, heads·d].
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

        /// Its kind.
        public let kind: Kind
        /// The name of its slot, [K].
        public let weight: String
        /// Present exactly for `layer`.
        public let bias: String?
        /// ε, added under the root.
        public let epsilon: Double

        /// A normalisation with the names of its weights.
        public init(_ kind: Kind, weight: String, bias: String? = nil, epsilon: Double) {
            self.kind = kind
            self.weight = weight
            self.bias = bias
            self.epsilon = epsilon
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

    /// How positions become rotary angles.
    public struct RotaryTable: Hashable, Sendable {
        /// Which axis of the positions drives which frequency.
        public enum Layout: Hashable, Sendable {
            /// Frequencies θ^(−2j/d), j < d/2; the first section follows axis 0, the next axis 1, and so on.
            case sections([Int])
            /// Every axis has its own frequencies θ^(−2j/(d/axes)), j < d/(2·axes), side by side.
            case axial(axes: Int)
        }

        /// d, even.
        public let headDimension: Int
        /// θ, the base of the frequencies.
        public let theta: Double
        /// Which axis drives which frequency.
        public let layout: Layout

        /// A table for heads of `headDimension` columns.
        public init(headDimension: Int, theta: Double, layout: Layout) {
            self.headDimension = headDimension
            self.theta = theta
            self.layout = layout
        }

        /// The number of position rows it takes.
        public var axes: Int {
            switch layout {
            case .sections(let sections): sections.count
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
            /// The rows of its own segment.
            case segments
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
