import Storage

extension Operation {
    /// q [n, heads·d], k and v [m, keyHeads·d] (and what bounds their extent) → [n, heads·d]: scaled dot-product attention.
    public struct Attention: OperationDefinition {
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

            /// Queries, keys, values, and what bounds the extent.
            fileprivate var operandCount: Int {
                switch self {
                case .causal, .all: 3
                case .segments, .windows: 4
                }
            }
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

extension Operation.Attention {
    static let name = "attention"
    static let operandCount = 3...4

    init(_ attributes: OperationAttributes) throws(Failure) {
        let extent: Extent
        if attributes.has("causal_layer") {
            extent = .causal(layer: try attributes.int("causal_layer"))
        } else if attributes.flag("segments") {
            extent = .segments
        } else if attributes.flag("windows") {
            extent = .windows
        } else if attributes.flag("all") {
            extent = .all
        } else {
            throw .badInput("lacks 'causal_layer', 'segments', 'windows' or 'all'")
        }
        self.init(
            heads: try attributes.int("heads"), keyHeads: try attributes.int("key_heads"),
            headDimension: try attributes.int("head_dimension"), extent: extent)
    }

    var operation: Operation { .attention(self) }
    var attributes: [JSON.Member] {
        let extent: JSON.Member =
            switch extent {
            case .causal(let layer): .init("causal_layer", .int(layer))
            case .segments: .init("segments", true)
            case .windows: .init("windows", true)
            case .all: .init("all", true)
            }
        return [
            .init("heads", .int(heads)), .init("key_heads", .int(keyHeads)),
            .init("head_dimension", .int(headDimension)), extent,
        ]
    }
    var letsRowsMeet: Bool { state == nil }
    var state: LayerState? {
        guard case .causal(let layer) = extent else { return nil }
        return .keysAndValues(layer: layer, keyHeads: keyHeads, headDimension: headDimension)
    }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let width = try operands.product(heads, headDimension)
        let keyWidth = try operands.product(keyHeads, headDimension)
        guard headDimension <= 256, heads % keyHeads == 0 else {
            throw operands.illegal("has \(heads) heads of \(headDimension) on \(keyHeads)")
        }
        let rows = try operands.matrix(0, columns: width).rows
        let keys = try operands.matrix(1, columns: keyWidth).rows
        guard try operands.matrix(2, columns: keyWidth).rows == keys, keys == rows || extent == .all else {
            throw operands.illegal("has unequal rows")
        }
        guard operands.count == extent.operandCount else {
            throw operands.illegal("has \(operands.count) operands")
        }
        try checkExtent(operands, rows)
        return operands[0]
    }

    private func checkExtent(_ operands: OperandTypes, _ rows: Dimension) throws(Failure) {
        switch extent {
        case .causal(let layer):
            // The cache has room for tokens, not for any other rows.
            guard layer >= 0, rows == .symbol(.tokens) else {
                throw operands.illegal(
                    "keeps \(rows) rows in layer \(layer) of the cache, which is for tokens")
            }
        case .segments:
            guard try operands.indices(3) == .symbol(.segments), rows == .symbol(.patches) else {
                throw operands.illegal("has segments of what are no patches")
            }
        case .windows:
            guard operands[3] == ValueType(.windows, [.fixed(2), rows]) else {
                throw operands.illegal("has no windows")
            }
        case .all: break
        }
    }
}
