import Storage

extension Operation {
    /// coordinates [2, n], segments → [2, n]: the rows, window by window of side² places; for each, where its window starts.
    public struct Windows: OperationDefinition {
        /// Places along an edge, 1 to 16.
        public let side: Int

        /// Windows of `side`² places.
        public init(side: Int) { self.side = side }
    }
}

extension Operation.Windows {
    static let name = "windows"
    static let operandCount = 2...2

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(side: try attributes.int("side"))
    }

    var operation: Operation { .windows(self) }
    var attributes: [JSON.Member] { [.init("side", .int(side))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        guard (1...16).contains(side) else { throw operands.illegal("has windows of \(side)²") }
        return ValueType(.windows, [.fixed(2), try operands.places(0)])
    }
}
