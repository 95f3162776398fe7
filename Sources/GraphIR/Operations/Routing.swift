import Storage

extension Operation {
    /// scores [n, E] → [n, 2·chosen]: the numbers of the best-scored, best first, then their shares of softmax, which sum to 1.
    public struct Route: OperationDefinition {
        /// How many experts each row goes to.
        public let chosen: Int

        /// The best experts of each row.
        public init(chosen: Int) { self.chosen = chosen }
    }

    /// x [n, chosen·K], routes [n, 2·chosen] → [n, K]: the parts, each times its share.
    public struct WeightedSum: OperationDefinition {
        /// How many parts there are.
        public let chosen: Int

        /// The sum of what experts gave.
        public init(chosen: Int) { self.chosen = chosen }
    }
}

extension Operation.Route {
    static let name = "route"
    static let operandCount = 1...1
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(chosen: try attributes.int("chosen"))
    }

    var operation: Operation { .route(self) }
    var attributes: [JSON.Member] { [.init("chosen", .int(chosen))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let scores = try operands.matrix(0)
        guard (1...64).contains(chosen), chosen <= scores.columns, scores.columns <= 1 << 16 else {
            throw operands.illegal("chooses \(chosen) of \(scores.columns)")
        }
        return .rows(scores.rows, 2 * chosen)
    }
}

extension Operation.WeightedSum {
    static let name = "weighted_sum"
    static let operandCount = 2...2
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(chosen: try attributes.int("chosen"))
    }

    var operation: Operation { .weightedSum(self) }
    var attributes: [JSON.Member] { [.init("chosen", .int(chosen))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        let routes = try operands.matrix(1, columns: try operands.product(2, chosen))
        guard x.columns % chosen == 0, x.rows == routes.rows else {
            throw operands.illegal("does not fit its routes")
        }
        return .rows(x.rows, x.columns / chosen)
    }
}
