import Glibc
import GraphIR
import Storage

extension Operation.Route: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            ChooseExperts(scores: try compiler.operand(node.operands[0]), chosen: chosen, result: result))
        return result
    }
}

extension Operation.WeightedSum: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            SumOfExperts(
                x: try compiler.operand(node.operands[0]), routes: try compiler.operand(node.operands[1]),
                chosen: chosen, result: result))
        return result
    }
}

/// The best-scored of each row and their shares: a softmax over the chosen, which is that over all, normalised.
struct ChooseExperts: Step {
    let scores: Plan.Operand
    let chosen: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(scores), .write(result)] }

    func run(in executor: Executor) {
        for row in 0..<executor.extents(scores.rows) {
            let scores = UnsafeBufferPointer(
                start: executor.floats(scores) + row * scores.pitch, count: scores.columns)
            let numbers = executor.floats(result) + row * result.pitch
            let shares = numbers + chosen
            for choice in 0..<chosen {
                var best = -1
                for expert in scores.indices where best < 0 || scores[expert] > scores[best] {
                    if (0..<choice).allSatisfy({ numbers[$0] != Float(expert) }) { best = expert }
                }
                numbers[choice] = Float(best)
                shares[choice] = expf(scores[best] - scores[Int(numbers[0])])
            }
            let total = (0..<chosen).reduce(Float(0)) { $0 + shares[$1] }
            for choice in 0..<chosen { shares[choice] /= total }
        }
    }
}

/// The parts of each row, each times its share.
struct SumOfExperts: Step {
    let x, routes: Plan.Operand
    let chosen: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .read(routes), .write(result)] }

    func run(in executor: Executor) {
        executor.forRows(of: result) { rows in
            for row in rows {
                let source = executor.floats(x) + row * x.pitch
                let target = executor.floats(result) + row * result.pitch
                let shares = executor.floats(routes) + row * routes.pitch + chosen
                target.update(repeating: 0, count: result.columns)
                for choice in 0..<chosen {
                    let part = source + choice * result.columns
                    for column in 0..<result.columns { target[column] += shares[choice] * part[column] }
                }
            }
        }
    }
}
