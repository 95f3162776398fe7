/// What a layer keeps of a sequence from one run to the next, and reads and changes in each.
public enum LayerState: Hashable, Sendable {
    /// The keys and values of all tokens.
    case keysAndValues(layer: Int, keyHeads: Int, headDimension: Int)
    /// The last rows that a convolution read.
    case convolution(layer: Int, rows: Int, channels: Int)
    /// The matrix of each head of a delta rule.
    case deltaRule(layer: Int, heads: Int, keyDimension: Int, valueDimension: Int)

    /// Of what kind it is; a layer has one of each kind at most.
    public enum Kind: Int, Hashable, Sendable {
        case keysAndValues
        case convolution
        case deltaRule
    }

    /// What tells it from the other states of a model.
    public struct ID: Hashable, Comparable, Sendable {
        /// The number of its layer, from 0 on.
        public let layer: Int
        /// Of what kind it is.
        public let kind: Kind

        /// That of a layer's state of a kind.
        public init(layer: Int, kind: Kind) {
            self.layer = layer
            self.kind = kind
        }

        /// By layer, then by kind.
        public static func < (a: ID, b: ID) -> Bool {
            (a.layer, a.kind.rawValue) < (b.layer, b.kind.rawValue)
        }
    }

    /// What tells it from the other states of a model.
    public var id: ID {
        switch self {
        case .keysAndValues(let layer, _, _): ID(layer: layer, kind: .keysAndValues)
        case .convolution(let layer, _, _): ID(layer: layer, kind: .convolution)
        case .deltaRule(let layer, _, _, _): ID(layer: layer, kind: .deltaRule)
        }
    }
}
