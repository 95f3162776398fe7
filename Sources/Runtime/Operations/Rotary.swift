import CKernels
import Glibc
import GraphIR
import Storage
import Threads

extension Operation.RotaryTable: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result, columns: headDimension)
        compiler.emit(
            FillRotaryTable(
                frequencies: RotaryFrequencies(self), positions: try compiler.buffer(node.operands[0]),
                promptLength: node.operands.count > 1 ? try compiler.buffer(node.operands[1]) : nil,
                result: result))
        return result
    }
}

extension Operation.Rotary: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let x = try compiler.ownedCopy(node.operands[0], at: index, for: node.result)
        compiler.emit(
            Rotate(
                x: x, table: try compiler.operand(node.operands[1]), heads: heads,
                headDimension: headDimension, rotated: rotated))
        return x
    }
}

/// The cosines of all rows, then the sines, of position times frequency, in float32 as the reference computes them.
struct FillRotaryTable: Step {
    let frequencies: RotaryFrequencies
    /// A buffer.
    let positions: Int
    /// A buffer.
    let promptLength: Int?
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] {
        [.read(positions, frequencies.axisCount, result.rows), .write(result)]
            + (promptLength.map { [.read($0, 1, .fixed(1))] } ?? [])
    }

    func run(in executor: Executor) {
        let (rows, positions) = (executor.extents(result.rows), executor.indices(positions))
        let axes = frequencies.axes
        let frequencies = frequencies.frequencies(
            promptLength: promptLength.map { Int(executor.indices($0)[0]) } ?? 0)
        let half = frequencies.count
        executor.pool.run(rows, grain: max(1, 2048 / max(1, half))) { chunk in
            for row in chunk {
                let cosines = executor.floats(result) + row * half
                let sines = cosines + rows * half
                for j in 0..<half {
                    let angle = Float(positions[axes[j] * rows + row]) * frequencies[j]
                    cosines[j] = cosf(angle)
                    sines[j] = sinf(angle)
                }
            }
        }
    }
}

/// Rotates the heads of rows.
struct Rotate: Step {
    let x, table: Plan.Operand
    let heads, headDimension, rotated: Int

    func accesses(in plan: Plan) -> [Plan.Access] { [.write(x), .read(table)] }

    func run(in executor: Executor) {
        let half = rotated / 2
        let sines = executor.extents(x.rows) * half
        executor.forRows(of: x) { rows in
            let angles = executor.floats(table) + rows.lowerBound * half
            tsr_rotary(
                executor.floats(x) + rows.lowerBound * x.pitch, x.pitch, rows.count, heads, headDimension,
                rotated,
                angles, angles + sines)
        }
    }
}

extension Plan {
    /// The frequencies of all tables that it fills.
    var rotaryTables: [RotaryFrequencies] { steps.compactMap { ($0 as? FillRotaryTable)?.frequencies } }
}
