import CKernels
import GraphIR
import Storage

extension Operation.RMSNorm: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.operand(node.operands[0])
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            NormaliseByLength(
                x: x, heads: heads, weight: try compiler.weights.vectorIndex(weight), epsilon: Float(epsilon),
                result: result))
        return result
    }
}

extension Operation.LayerNorm: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.operand(node.operands[0])
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            NormaliseLayer(
                x: x, weight: try compiler.weights.vectorIndex(weight),
                bias: try compiler.weights.vectorIndex(bias), epsilon: Float(epsilon), result: result))
        return result
    }
}

/// An RMS norm of rows, or of each of their equal parts.
struct NormaliseByLength: Step {
    static let isRowwise = true
    let x: Plan.Operand
    let heads: Int
    /// The number of its vector.
    let weight: Int
    let epsilon: Float
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .write(result)] }

    func run(in executor: Executor) {
        // Parts of a row are rows of their own, `columns / heads` apart.
        let (width, weight) = (x.columns / heads, executor.weights.vectors[weight])
        executor.forRows(of: x) { rows in
            let (source, target) = (executor.floats(x), executor.floats(result))
            guard heads > 1 else {
                tsr_rms_norm(
                    source + rows.lowerBound * x.pitch, x.pitch, weight, epsilon, rows.count, x.columns,
                    target + rows.lowerBound * result.pitch, result.pitch)
                return
            }
            for row in rows {
                tsr_rms_norm(
                    source + row * x.pitch, width, weight, epsilon, heads, width,
                    target + row * result.pitch, width)
            }
        }
    }
}

/// A layer norm of rows.
struct NormaliseLayer: Step {
    static let isRowwise = true
    let x: Plan.Operand
    /// The numbers of its vectors.
    let weight, bias: Int
    let epsilon: Float
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(x), .write(result)] }

    func run(in executor: Executor) {
        let vectors = executor.weights.vectors
        executor.forRows(of: x) { rows in
            tsr_layer_norm(
                executor.floats(x) + rows.lowerBound * x.pitch, x.pitch, vectors[weight], vectors[bias],
                epsilon, rows.count, x.columns,
                executor.floats(result) + rows.lowerBound * result.pitch, result.pitch)
        }
    }
}
