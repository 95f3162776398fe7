import GraphIR
import Storage

extension Operation.Parameter: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(ReadParameter(weight: try compiler.weights.matrixIndex(weight), result: result))
        return result
    }
}

/// A weight as it is.
struct ReadParameter: Step {
    /// The number of its matrix.
    let weight: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: result) { rows in
            for row in rows {
                executor.weights.readRow(
                    row, of: weight, into: executor.floats(result) + row * result.pitch)
            }
        }
    }
}
