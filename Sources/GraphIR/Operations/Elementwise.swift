import Storage

extension Operation {
    /// A function applied to each element.
    public enum Function: String, CaseIterable, Sendable {
        /// x · sigmoid(x).
        case silu
        /// x · sigmoid(1.702 x).
        case quickGELU = "quick_gelu"
        /// x · Φ(x), with the error function.
        case gelu
        /// The tanh approximation of `gelu`.
        case geluTanh = "gelu_tanh"
        /// 1 / (1 + exp(−x)).
        case sigmoid
    }

    /// x → f(x).
    public struct Activation: OperationDefinition {
        /// f.
        public let function: Function

        /// A function of each element.
        public init(_ function: Function) { self.function = function }
    }

    /// gate, up → f(gate) · up.
    public struct GatedProduct: OperationDefinition {
        /// f.
        public let function: Function

        /// A product of what is gated by a function of another value.
        public init(_ function: Function) { self.function = function }
    }

    /// gate [n, 1], x [n, K] → sigmoid(gate) · x, each row by its own.
    public struct GateRows: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }

    /// a, b → a + b.
    public struct Add: OperationDefinition {
        /// It has no attributes.
        public init() {}
    }
}

extension Operation.Activation {
    static let name = "activation"
    static let operandCount = 1...1
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.choice("function"))
    }

    var operation: Operation { .activation(self) }
    var attributes: [JSON.Member] { [.init("function", .string(function.rawValue))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        _ = try operands.matrix(0)
        return operands[0]
    }
}

extension Operation.GatedProduct {
    static let name = "gated_product"
    static let operandCount = 2...2
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) {
        self.init(try attributes.choice("function"))
    }

    var operation: Operation { .gatedProduct(self) }
    var attributes: [JSON.Member] { [.init("function", .string(function.rawValue))] }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        try operands.alike()
    }
}

extension Operation.GateRows {
    static let name = "gate_rows"
    static let operandCount = 2...2
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .gateRows }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        let x = try operands.matrix(1)
        guard try operands.matrix(0, columns: 1).rows == x.rows else {
            throw operands.illegal("has not as many gates as rows")
        }
        return operands[1]
    }
}

extension Operation.Add {
    static let name = "add"
    static let operandCount = 2...2
    static let treatsRowsAlone = true

    init(_ attributes: OperationAttributes) throws(Failure) { self.init() }

    var operation: Operation { .add }

    func resultType(of operands: OperandTypes) throws(Failure) -> ValueType {
        try operands.alike()
    }
}

extension OperandTypes {
    /// The type that both operands have.
    fileprivate func alike() throws(Failure) -> ValueType {
        _ = try matrix(0)
        guard self[0] == self[1] else { throw illegal("adds \(self[0]) and \(self[1])") }
        return self[0]
    }
}
