import GraphIR
import Storage

extension Operation.Concatenate: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        var part = result
        for id in node.operands {
            let x = try compiler.operand(id)
            part.columns = x.columns
            compiler.emit(Copy(x: x, result: part))
            part.column += x.columns
        }
        return result
    }
}

extension Operation.Columns: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        var x = try compiler.operand(node.operands[0])
        x.column += range.lowerBound
        x.columns = range.count
        return x
    }
}

extension Operation.MergeRows: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        var x = try compiler.dense(node.operands[0])
        (x.columns, x.pitch) = (x.columns * factor, x.pitch * factor)
        x.rows = compiler.graph[node.result].type.extents[0]
        return x
    }
}

/// Rows as they are, in another place.
struct Copy: Step {
    static let isRowwise = true
    let x, result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .write(result)] }

    func run(in executor: Executor) { executor.copyRows(x, to: result) { $0 } }
}

extension Executor {
    /// The rows of `x` that `source` numbers, in order.
    func copyRows(_ x: Plan.Operand, to result: Plan.Operand, _ source: (Int) -> Int) {
        for row in 0..<extents(result.rows) {
            (floats(result) + row * result.pitch).update(
                from: floats(x) + source(row) * x.pitch, count: x.columns)
        }
    }
}
