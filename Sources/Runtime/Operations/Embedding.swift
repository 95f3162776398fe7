import CKernels
import GraphIR
import Storage

extension Operation.Embedding: LoweredOperation {
    func lower(_ node: Graph.Node, at index: Int, in compiler: inout PlanCompiler) throws(Failure)
        -> Plan.Operand
    {
        let result = compiler.newOperand(for: node.result)
        compiler.emit(
            Embed(
                bands: try compiler.weights.matrixIndices(use.weight),
                ids: try compiler.buffer(node.operands[0]), result: result))
        return result
    }
}

/// Rows of a table, whose bands are these matrices.
struct Embed: Step {
    let bands: Range<Int>
    /// A buffer.
    let ids: Int
    let result: Plan.Operand

    func accesses(in plan: Plan) -> [Plan.Access] { [.read(ids, 1, result.rows), .write(result)] }

    func bounds(_ weights: Weights) -> [(buffer: Int, bound: Plan.Bound)] {
        [(ids, .ids(weights.matrices[bands].reduce(0) { $0 + $1.rows }))]
    }

    func run(in executor: Executor) {
        let ids = executor.indices(ids)
        for row in 0..<executor.extents(result.rows) {
            var (number, band) = (Int(ids[row]), bands.lowerBound)
            while band + 1 < bands.upperBound, number >= executor.weights.matrices[band].rows {
                number -= executor.weights.matrices[band].rows
                band += 1
            }
            executor.weights.readRow(number, of: band, into: executor.floats(result) + row * result.pitch)
        }
    }
}

extension Weights {
    /// One row of a matrix as floats.
    func readRow(_ row: Int, of matrix: Int, into target: UnsafeMutablePointer<Float>) {
        switch matrices[matrix] {
        case .packed(var packed): tsr_packed_row(&packed, row, target)
        case .float(let type, let base, _, let columns):
            tsr_to_f32(type, base + row * columns * tsr_float_width(type), columns, target)
        }
    }
}
