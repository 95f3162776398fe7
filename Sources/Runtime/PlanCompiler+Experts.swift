import CKernels
import GraphIR
import Storage

extension PlanCompiler {
    /// Adds the experts' linears from node `first` on that read the same value by the same routes, as one step.
    mutating func addExpertProducts(from first: Int) throws(Failure) -> Int {
        let operands = nodes[first].operands
        guard case .expertLinear(_, let experts, let chosen) = nodes[first].operation else {
            return first + 1
        }
        let start = plan.products.count
        var next = first
        var (columns, group, widest): (Int, Int?, Int) = (0, nil, 0)
        while next < nodes.count,
            case .expertLinear(let use, experts, chosen) = nodes[next].operation,
            nodes[next].operands == operands
        {
            let weight = try weights.matrixIndex(use.weight)
            let (size, width) = (weights.matrices[weight].activationGroup, weights.matrices[weight].columns)
            if next == first {
                (group, columns) = (size, width)
            } else if (group, columns) != (size, width) {
                break
            }
            let result = nodes[next].result.index
            let out = newOperand(for: result)
            self.operands[result] = out
            plan.products.append(Plan.Product(weight: weight, bias: -1, result: out))
            widest = max(widest, out.columns / chosen)
            next += 1
        }
        let (x, routes) = (try operand(operands[0]), try operand(operands[1]))
        let gathered: Plan.Buffer.Kind =
            group.map { .activations(columns: columns, group: $0) } ?? .floats(width: columns)
        emit(
            .expertProducts(
                Plan.ExpertProducts(
                    products: start..<plan.products.count, x: x, routes: routes, experts: experts,
                    chosen: chosen,
                    order: addBuffer(.floats(width: chosen), rows: x.rows, tenant: nil),
                    starts: addBuffer(.floats(width: experts + 1), rows: .fixed(1), tenant: nil),
                    gathered: addBuffer(gathered, rows: x.rows, copies: chosen, tenant: nil),
                    // An expert's first row may lie within a tile.
                    outputs: addBuffer(.floats(width: widest + 16), rows: x.rows, copies: chosen, tenant: nil)
                )))
        for node in first..<next { mark(nodes[node].result) }
        return next
    }
}
