import Storage

extension Operation {
    /// q, k [n, keyHeads·d], v [n, heads·e], decay and write [n, heads] → [n, heads·e]: a gated delta rule along the sequence.
    ///
    /// Each head has a matrix S [d, e], zeros at first. Of each token, q and k are divided by √(Σ x² + 1e-6), q by √d, too; with
    /// α = exp(−exp(A) · softplus(decay + b)) and β = sigmoid(write): S ← α S; S ← S + k β (v − Sᵀ k)ᵀ; the result is Sᵀ q. A head of
    /// keys serves heads/keyHeads consecutive heads (Yang, Kautz and Hatamizadeh, arXiv 2412.06464).
    public struct DeltaRule: OperationDefinition {
        /// The name of A's slot [heads].
        public let logDecay: String
        /// The name of b's slot [heads].
        public let bias: String
        /// Heads of values, and of the result.
        public let heads: Int
        /// Heads of queries and keys; a divisor of `heads`.
        public let keyHeads: Int
        /// d, at most 256.
        public let keyDimension: Int
        /// e, at most 256.
        public let valueDimension: Int
        /// The number of the layer that keeps the matrices.
        public let layer: Int

        /// A delta rule with the names of its weights.
        public init(
            logDecay: String, bias: String, heads: Int, keyHeads: Int, keyDimension: Int, valueDimension: Int,
            layer: Int
        ) {
            (self.logDecay, self.bias) = (logDecay, bias)
            (self.heads, self.keyHeads) = (heads, keyHeads)
            (self.keyDimension, self.valueDimension) = (keyDimension, valueDimension)
            self.layer = layer
        }
    }
}

extension Operation.DeltaRule {
    static let name = "delta_rule"
    static let operandCount = 5...5

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            logDecay: try attributes.text("log_decay"), bias: try attributes.text("bias"),
            heads: try attributes.int("heads"), keyHeads: try attributes.int("key_heads"),
            keyDimension: try attributes.int("key_dimension"),
            valueDimension: try attributes.int("value_dimension"), layer: try attributes.int("layer"))
    }

    var operation: Operation { .deltaRule(self) }
    var attributes: [JSON.Member] {
        [
            .init("log_decay", .string(logDecay)), .init("bias", .string(bias)), .init("heads", .int(heads)),
            .init("key_heads", .int(keyHeads)), .init("key_dimension", .int(keyDimension)),
            .init("value_dimension", .int(valueDimension)), .init("layer", .int(layer)),
        ]
    }
    var weightNames: [String] { [logDecay, bias] }
    var state: LayerState? {
        .deltaRule(
            layer: layer, heads: heads, keyDimension: keyDimension, valueDimension: valueDimension)
    }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        guard (1...256).contains(keyDimension), (1...256).contains(valueDimension),
            (1...4096).contains(heads),
            keyHeads > 0, heads % keyHeads == 0
        else {
            throw operands.illegal(
                "has \(heads) heads of \(keyDimension) × \(valueDimension) on \(keyHeads)")
        }
        let rows = try operands.matrix(0, columns: keyHeads * keyDimension).rows
        guard rows == .symbol(.tokens) else { throw operands.illegal("goes along \(rows), not tokens") }
        let widths = [keyHeads * keyDimension, heads * valueDimension, heads, heads]
        for (index, columns) in zip(1..., widths)
        where try operands.matrix(index, columns: columns).rows != rows {
            throw operands.illegal("has unequal rows")
        }
        try operands.check(logDecay, is: [heads])
        try operands.check(bias, is: [heads])
        return operands[2]
    }
}
