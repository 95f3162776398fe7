import CKernels
import GraphIR
import Storage
import Threads

extension Operation.DeltaRule: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let operands = try node.operands.map { (id) throws(Failure) in try compiler.operand(id) }
        let (rows, result) = (operands[0].rows, compiler.newOperand(for: node.result))
        func scratch(_ columns: Int) -> Plan.Operand {
            Plan.Operand(
                buffer: compiler.addBuffer(.floats(width: columns), rows: rows), column: 0, columns: columns,
                pitch: columns, rows: rows)
        }
        compiler.emit(
            ApplyDeltaRule(
                rule: self, q: operands[0], k: operands[1], v: operands[2], decay: operands[3],
                write: operands[4], logDecay: try compiler.weights.vectorIndex(logDecay),
                bias: try compiler.weights.vectorIndex(bias), unitQ: scratch(operands[0].columns),
                unitK: scratch(operands[1].columns), factors: scratch(heads), strengths: scratch(heads),
                result: result))
        return result
    }
}

/// A gated delta rule, token by token: in chunks, as many do it, its bits would depend on how a prompt is cut.
struct ApplyDeltaRule: Step {
    let rule: Operation.DeltaRule
    let q, k, v, decay, write: Plan.Operand
    /// The numbers of its vectors.
    let logDecay, bias: Int
    /// Memory of its own: queries and keys of unit length, α and β.
    let unitQ, unitK, factors, strengths: Plan.Operand
    let result: Plan.Operand

    /// Added to sums of squares.
    private static let epsilon: Float = 1e-6

    func accesses(in plan: Plan) -> [Plan.Access] {
        [q, k, v, decay, write].map { .read($0) }
            + [unitQ, unitK, factors, strengths, result].map { .write($0) }
    }

    var cached: [Plan.Operand] { [q, k, v] }

    func run(in executor: Executor) {
        let id = LayerState.ID(layer: rule.layer, kind: .deltaRule)
        guard let state = executor.cache?.recurrent.floats(id) else { return }
        makeUnits(executor)
        makeGates(executor)
        let call = tsr_delta_layer(
            q: executor.floats(unitQ), k: executor.floats(unitK), q_stride: unitQ.pitch,
            k_stride: unitK.pitch,
            v: executor.floats(v), v_stride: v.pitch, decay: executor.floats(factors),
            beta: executor.floats(strengths), gate_stride: factors.pitch, state: state,
            y: executor.floats(result), y_stride: result.pitch, tokens: executor.extents(q.rows),
            key_heads: rule.keyHeads, value_heads: rule.heads, key_dim: rule.keyDimension,
            value_dim: rule.valueDimension)
        executor.pool.run(rule.heads * tsr_delta_blocks(rule.valueDimension), grain: 1) { chunk in
            var call = call
            tsr_delta_rule(&call, chunk.lowerBound, chunk.upperBound)
        }
    }

    private func makeUnits(_ executor: Executor) {
        let scale = 1 / Float(rule.keyDimension).squareRoot()
        for (x, unit, scale) in [(q, unitQ, scale), (k, unitK, 1)] {
            executor.forRows(of: x) { rows in
                tsr_unit_heads(
                    executor.floats(x) + rows.lowerBound * x.pitch, x.pitch, scale, Self.epsilon, rows.count,
                    rule.keyHeads, rule.keyDimension, executor.floats(unit) + rows.lowerBound * unit.pitch,
                    unit.pitch)
            }
        }
    }

    private func makeGates(_ executor: Executor) {
        let vectors = executor.weights.vectors
        executor.forRows(of: decay) { rows in
            let first = rows.lowerBound
            tsr_delta_gates(
                executor.floats(decay) + first * decay.pitch, decay.pitch,
                executor.floats(write) + first * write.pitch, write.pitch, vectors[logDecay], vectors[bias],
                rows.count, rule.heads, executor.floats(factors) + first * factors.pitch,
                executor.floats(strengths) + first * strengths.pitch, factors.pitch)
        }
    }
}
