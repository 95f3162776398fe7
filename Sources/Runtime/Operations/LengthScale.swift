import Glibc
import GraphIR
import Storage

extension Operation.LengthScale: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.ownedCopy(node.operands[0], at: index, for: node.result)
        compiler.emit(ScaleByLength(x: x, positions: try compiler.buffer(node.operands[1]), length: length))
        return x
    }
}

/// Multiplies each row by max(1, ln(position + 1) / ln(length)).
struct ScaleByLength: Step {
    let x: Plan.Operand
    /// A buffer.
    let positions: Int
    let length: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(x), .read(positions, 1, x.rows)] }

    func run(in executor: Executor) {
        let (scale, positions) = (1 / log(Double(length)), executor.indices(positions))
        executor.forRows(of: x) { rows in
            for row in rows where Int(positions[row]) >= length {
                let factor = Float(log(Double(positions[row]) + 1) * scale)
                let target = executor.floats(x) + row * x.pitch
                for column in 0..<x.columns { target[column] *= factor }
            }
        }
    }
}
