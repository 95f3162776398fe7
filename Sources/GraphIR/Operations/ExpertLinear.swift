import Storage

extension Operation {
    /// x [n, K] (or [n, chosen·K], a part for each choice), routes [n, 2·chosen] → [n, chosen·N], with W of E experts [E·N, K].
    public struct ExpertLinear: OperationDefinition {
        /// W.
        public let use: WeightUse
        /// E.
        public let experts: Int
        /// How many of them each row goes to.
        public let chosen: Int

        /// A product with the weights of chosen experts.
        public init(_ use: WeightUse, experts: Int, chosen: Int) {
            self.use = use
            self.experts = experts
            self.chosen = chosen
        }
    }
}

extension Operation.ExpertLinear {
    static let name = "expert_linear"
    static let operandCount = 2...2
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(
            try attributes.weightUse(), experts: try attributes.int("experts"),
            chosen: try attributes.int("chosen"))
    }

    var operation: Operation { .expertLinear(self) }
    var attributes: [JSON.Member] {
        use.attributes + [.init("experts", .int(experts)), .init("chosen", .int(chosen))]
    }
    var weightUse: Operation.WeightUse? { use }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let routes = try operands.matrix(1, columns: try operands.product(2, chosen))
        let extents = try operands.weight(use.weight, rank: 2)
        let (x, parts) = (try operands.matrix(0), try operands.product(chosen, extents[1]))
        guard (1...1 << 16).contains(experts), chosen <= experts, extents[0] % experts == 0,
            x.columns == extents[1] || x.columns == parts, x.rows == routes.rows
        else { throw operands.illegal("has \(experts) experts of \(extents) for \(operands[0])") }
        // Choices are numbered in 32 bits.
        if case .fixed(let rows) = x.rows, rows > 1 << 24 { throw operands.illegal("has \(rows) rows") }
        return .rows(x.rows, try operands.product(chosen, extents[0] / experts))
    }
}
