import CKernels
import GraphIR
import Storage

extension Operation.Activation: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.dense(node.operands[0])
        let result = compiler.denseResult(of: node, at: index)
        compiler.emit(Activate(function: function, x: x, result: result))
        return result
    }
}

extension Operation.GatedProduct: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let (gate, up) = (try compiler.dense(node.operands[0]), try compiler.dense(node.operands[1]))
        let result = compiler.denseResult(of: node, at: index)
        compiler.emit(Gate(function: function, gate: gate, up: up, result: result))
        return result
    }
}

extension Operation.GateRows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let (gate, x) = (try compiler.operand(node.operands[0]), try compiler.operand(node.operands[1]))
        let result =
            compiler.inPlace(node.operands[1], at: index, contiguous: false)
            ?? compiler.newOperand(for: node.result)
        compiler.emit(GateEachRow(gate: gate, x: x, result: result))
        return result
    }
}

extension Operation.Add: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let (a, b) = (try compiler.dense(node.operands[0]), try compiler.dense(node.operands[1]))
        let result = compiler.denseResult(of: node, at: index)
        compiler.emit(Sum(a: a, b: b, result: result))
        return result
    }
}

extension PlanCompiler {
    /// Rows side by side in memory for what is computed element by element: in the place of the first operand if that may be.
    fileprivate mutating func denseResult(of node: Graph.Node, at index: Int) -> Plan.Operand {
        inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: node.result)
    }
}

/// y = f(x).
struct Activate: Step {
    static let isRowwise = true
    let function: Operation.Function
    let x, result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: x) { rows in
            let offset = rows.lowerBound * x.columns
            tsr_activate(
                function.kernel, executor.floats(x) + offset, rows.count * x.columns,
                executor.floats(result) + offset)
        }
    }
}

/// y = f(gate) · up.
struct Gate: Step {
    static let isRowwise = true
    let function: Operation.Function
    let gate, up, result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(gate), .read(up), .write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: gate) { rows in
            let offset = rows.lowerBound * gate.columns
            tsr_gated_product(
                function.kernel, executor.floats(gate) + offset, executor.floats(up) + offset,
                rows.count * gate.columns, executor.floats(result) + offset)
        }
    }
}

/// y = sigmoid(gate) · x, with one gate a row.
struct GateEachRow: Step {
    static let isRowwise = true
    let gate, x, result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(gate), .read(x), .write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: x) { rows in
            let first = rows.lowerBound
            tsr_gate_rows(
                executor.floats(gate) + first * gate.pitch, gate.pitch, executor.floats(x) + first * x.pitch,
                x.pitch, rows.count, x.columns, executor.floats(result) + first * result.pitch, result.pitch)
        }
    }
}

/// y = a + b.
struct Sum: Step {
    static let isRowwise = true
    let a, b, result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(a), .read(b), .write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: a) { rows in
            let offset = rows.lowerBound * a.columns
            tsr_add(
                executor.floats(a) + offset, executor.floats(b) + offset, rows.count * a.columns,
                executor.floats(result) + offset)
        }
    }
}

extension Operation.Function {
    fileprivate var kernel: tsr_activation {
        switch self {
        case .silu: TSR_SILU
        case .quickGELU: TSR_QUICK_GELU
        case .gelu: TSR_GELU_ERF
        case .geluTanh: TSR_GELU_TANH
        case .sigmoid: TSR_SIGMOID
        }
    }
}
