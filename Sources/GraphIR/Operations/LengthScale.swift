import Storage

extension Operation {
    /// x [n, K], positions [1, n] → x, each row times max(1, ln(position + 1) / ln(length)).
    public struct LengthScale: OperationDefinition {
        /// Up to it nothing is scaled.
        public let length: Int

        /// A scaling of rows beyond `length`.
        public init(_ length: Int) { self.length = length }
    }
}

extension Operation.LengthScale {
    static let name = "length_scale"
    static let operandCount = 2...2

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.int("length"))
    }

    var operation: Operation { .lengthScale(self) }
    var attributes: [JSON.Member] { [.init("length", .int(length))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        guard length > 1, operands[1] == ValueType(.index, [.fixed(1), x.rows]) else {
            throw operands.illegal("does not fit its positions")
        }
        return operands[0]
    }
}
