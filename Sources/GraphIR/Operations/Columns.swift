import Storage

extension Operation {
    /// a, b, … [n, …] → [n, sum]: side by side.
    public struct Concatenate: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }

    /// x [n, K] → the given columns [n, count].
    public struct Columns: OperationDefinition {
        /// Which.
        public let range: Range<Int>

        /// A slice of each row.
        public init(_ range: Range<Int>) { self.range = range }
    }

    /// x [n, K] → [n/factor, K·factor]: consecutive rows side by side.
    public struct MergeRows: OperationDefinition {
        /// How many become one.
        public let factor: Int

        /// Rows merged by `factor`.
        public init(_ factor: Int) { self.factor = factor }
    }
}

extension Operation.Concatenate {
    static let name = "concatenate"
    static let operandCount = 2...64
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .concatenate }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        var x = try operands.matrix(0)
        for index in 1..<operands.count {
            let next = try operands.matrix(index)
            guard next.rows == x.rows else { throw operands.illegal("has unequal rows") }
            x.columns += next.columns
        }
        return .rows(x.rows, x.columns)
    }
}

extension Operation.Columns {
    static let name = "columns"
    static let operandCount = 1...1
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        let (from, to) = (try attributes.int("from"), try attributes.int("to"))
        guard from <= to else { throw .badInput("has its columns the wrong way round") }
        self.init(from..<to)
    }

    var operation: Operation { .columns(self) }
    var attributes: [JSON.Member] {
        [.init("from", .int(range.lowerBound)), .init("to", .int(range.upperBound))]
    }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        guard range.lowerBound >= 0, !range.isEmpty, range.upperBound <= x.columns else {
            throw operands.illegal("takes columns \(range) of \(x.columns)")
        }
        return .rows(x.rows, range.count)
    }
}

extension Operation.MergeRows {
    static let name = "merge_rows"
    static let operandCount = 1...1

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.int("factor"))
    }

    var operation: Operation { .mergeRows(self) }
    var attributes: [JSON.Member] { [.init("factor", .int(factor))] }
    var letsRowsMeet: Bool { true }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(0)
        let (columns, overflow) = x.columns.multipliedReportingOverflow(by: factor)
        guard factor > 1, !overflow, let rows = x.rows.divided(by: factor) else {
            throw operands.illegal("merges \(factor) of \(x.rows) rows")
        }
        return .rows(rows, columns)
    }
}
