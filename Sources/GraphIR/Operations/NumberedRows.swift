import Storage

extension Operation {
    /// x [n, K], index [m] → x[index] [m, K].
    public struct SelectRows: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }

    /// x [n, K], rows [m, K], index [m] → x with x[index] = rows.
    public struct ScatterRows: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }

    /// x [n, K], rows [m, K], index [m] → x with x[index] += rows.
    public struct AddRows: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }
}

extension Operation.SelectRows {
    static let name = "select_rows"
    static let operandCount = 2...2

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .selectRows }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        return .rows(try operands.tokenNumbers(1, of: x.rows), x.columns)
    }
}

extension Operation.ScatterRows {
    static let name = "scatter_rows"
    static let operandCount = 3...3

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .scatterRows }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        try operands.replacedRows()
    }
}

extension Operation.AddRows {
    static let name = "add_rows"
    static let operandCount = 3...3

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .addRows }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        try operands.replacedRows()
    }
}

extension OperandTypes {
    /// The type of the first operand, to whose rows of the given numbers there are as many others.
    fileprivate func replacedRows() throws(Failure) -> ValueType {
        let x = try matrix(0)
        guard try tokenNumbers(2, of: x.rows) == matrix(1, columns: x.columns).rows else {
            throw illegal("has not as many indices as rows")
        }
        return self[0]
    }
}
