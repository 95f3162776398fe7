import Storage

extension Operation {
    /// ids [n] → rows of the table [n, columns].
    public struct Embedding: OperationDefinition {
        /// The table.
        public let use: WeightUse

        /// A lookup in a table.
        public init(_ use: WeightUse) { self.use = use }
    }
}

extension Operation.Embedding {
    static let name = "embedding"
    static let operandCount = 1...1

    init(_ attributes: OperationAttributes) throws(Failure) { self.init(try attributes.weightUse()) }

    var operation: Operation { .embedding(self) }
    var attributes: [JSON.Member] { use.attributes }
    var weightUse: Operation.WeightUse? { use }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        guard try operands.indices(0) == .symbol(.tokens) else {
            throw operands.illegal("takes the ids of tokens")
        }
        return .rows(.symbol(.tokens), try operands.weight(use.weight, rank: 2)[1])
    }
}
