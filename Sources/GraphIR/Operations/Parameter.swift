import Storage

extension Operation {
    /// → the weight itself [N, K].
    public struct Parameter: OperationDefinition {
        /// The name of its slot.
        public let weight: String

        /// A weight as a value.
        public init(_ weight: String) { self.weight = weight }
    }
}

extension Operation.Parameter {
    static let name = "parameter"
    static let operandCount = 0...0

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.text("weight"))
    }

    var operation: Operation { .parameter(self) }
    var attributes: [JSON.Member] { [.init("weight", .string(weight))] }
    var weightNames: [String] { [weight] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let extents = try operands.weight(weight, rank: 2)
        return .rows(.fixed(extents[0]), extents[1])
    }
}
