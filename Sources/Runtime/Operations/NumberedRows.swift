import CKernels
import GraphIR
import Storage

extension Operation.SelectRows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            Select(
                x: try compiler.operand(node.operands[0]), index: try compiler.buffer(node.operands[1]),
                result: result))
        return result
    }
}

extension Operation.ScatterRows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.ownedCopy(node.operands[0], at: index, for: node.result)
        compiler.emit(
            Scatter(
                x: x, rows: try compiler.operand(node.operands[1]),
                index: try compiler.buffer(node.operands[2])))
        return x
    }
}

extension Operation.AddRows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.ownedCopy(node.operands[0], at: index, for: node.result)
        compiler.emit(
            AddToRows(
                x: x, rows: try compiler.operand(node.operands[1]),
                index: try compiler.buffer(node.operands[2])))
        return x
    }
}

/// y = x[index].
struct Select: Step {
    let x: Plan.Operand
    /// A buffer.
    let index: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.read(x), .read(index, 1, result.rows), .write(result)]
    }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] { [(index, .rows(x.rows))] }

    func run(in executor: Executor) {
        let index = executor.indices(index)
        executor.copyRows(x, to: result) { Int(index[$0]) }
    }
}

/// x[index] = rows.
struct Scatter: Step {
    let x, rows: Plan.Operand
    /// A buffer.
    let index: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(x), .read(rows), .read(index, 1, rows.rows)] }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] { [(index, .rows(x.rows))] }

    func run(in executor: Executor) {
        let index = executor.indices(index)
        for row in 0..<executor.extents(rows.rows) {
            (executor.floats(x) + Int(index[row]) * x.pitch).update(
                from: executor.floats(rows) + row * rows.pitch, count: x.columns)
        }
    }
}

/// x[index] += rows.
struct AddToRows: Step {
    let x, rows: Plan.Operand
    /// A buffer.
    let index: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(x), .read(rows), .read(index, 1, rows.rows)] }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] { [(index, .rows(x.rows))] }

    func run(in executor: Executor) {
        let index = executor.indices(index)
        for row in 0..<executor.extents(rows.rows) {
            let target = executor.floats(x) + Int(index[row]) * x.pitch
            tsr_add(target, executor.floats(rows) + row * rows.pitch, x.columns, target)
        }
    }
}
