import Storage

extension Operation {
    /// x [n, K] → x / √(mean x² + ε) · w [n, K], each row, or each of its equal parts, by itself.
    public struct RMSNorm: OperationDefinition {
        /// The name of w's slot [K/heads].
        public let weight: String
        /// ε, added under the root; 1e-30 to 1.
        public let epsilon: Double
        /// Equal parts of a row, each normalised by itself with the same weights.
        public let heads: Int

        /// A normalisation with the name of its weights.
        public init(weight: String, epsilon: Double, heads: Int = 1) {
            self.weight = weight
            self.epsilon = epsilon
            self.heads = heads
        }
    }

    /// x [n, K] → (x − mean) / √(variance + ε) · w + b [n, K], each row by itself.
    public struct LayerNorm: OperationDefinition {
        /// The name of w's slot [K].
        public let weight: String
        /// The name of b's slot [K].
        public let bias: String
        /// ε, added under the root; 1e-30 to 1.
        public let epsilon: Double

        /// A normalisation with the names of its weights.
        public init(weight: String, bias: String, epsilon: Double) {
            self.weight = weight
            self.bias = bias
            self.epsilon = epsilon
        }
    }
}

extension Operation.RMSNorm {
    static let name = "rms_norm"
    static let operandCount = 1...1
    static let optionalAttributes: Set<String> = ["heads"]
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            weight: try attributes.text("weight"), epsilon: try attributes.real("epsilon"),
            heads: try attributes.int("heads", default: 1))
    }

    var operation: Operation { .rmsNorm(self) }
    var attributes: [JSON.Member] {
        [.init("weight", .string(weight)), .init("epsilon", .double(epsilon))]
            + (heads > 1 ? [.init("heads", .int(heads))] : [])
    }
    var weightNames: [String] { [weight] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        guard heads > 0, x.columns % heads == 0 else {
            throw operands.illegal("has \(heads) heads for \(x.columns) columns")
        }
        try operands.check(epsilon: epsilon)
        try operands.check(weight, is: [x.columns / heads])
        return operands[0]
    }
}

extension Operation.LayerNorm {
    static let name = "layer_norm"
    static let operandCount = 1...1
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            weight: try attributes.text("weight"), bias: try attributes.text("bias"),
            epsilon: try attributes.real("epsilon"))
    }

    var operation: Operation { .layerNorm(self) }
    var attributes: [JSON.Member] {
        [
            .init("weight", .string(weight)), .init("bias", .string(bias)),
            .init("epsilon", .double(epsilon)),
        ]
    }
    var weightNames: [String] { [weight, bias] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        try operands.check(epsilon: epsilon)
        try operands.check(weight, is: [x.columns])
        try operands.check(bias, is: [x.columns])
        return operands[0]
    }
}

extension OperandTypes {
    /// Below it, float32 has no full precision left.
    private static let smallestEpsilon = 1e-30

    fileprivate func check(epsilon: Double) throws(Failure) {
        guard (Self.smallestEpsilon...1).contains(epsilon) else {
            throw illegal("has an epsilon of \(epsilon), not \(Self.smallestEpsilon) to 1")
        }
    }
}
