import Storage

extension Operation {
    /// x [n, K] → x Wᵀ + b [n, N], with W [N, K].
    public struct Linear: OperationDefinition {
        /// W.
        public let use: WeightUse
        /// The name of b's slot [N], if there is one.
        public let bias: String?

        /// A product with a weight.
        public init(_ use: WeightUse, bias: String? = nil) {
            self.use = use
            self.bias = bias
        }
    }
}

extension Operation.Linear {
    static let name = "linear"
    static let operandCount = 1...1
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            try attributes.weightUse(), bias: attributes.has("bias") ? try attributes.text("bias") : nil)
    }

    var operation: Operation { .linear(self) }
    var attributes: [JSON.Member] {
        use.attributes + (bias.map { [.init("bias", .string($0))] } ?? [])
    }
    var weightUse: Operation.WeightUse? { use }
    var weightNames: [String] { [use.weight] + (bias.map { [$0] } ?? []) }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        let extents = try operands.weight(use.weight, rank: 2)
        guard extents[1] == x.columns else {
            throw operands.illegal(
                "weight '\(use.weight)' has shape \(extents), but the operand has \(x.columns) columns")
        }
        if let bias { try operands.check(bias, is: [extents[0]]) }
        return .rows(x.rows, extents[0])
    }
}
