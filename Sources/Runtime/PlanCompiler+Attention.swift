import GraphIR
import Storage

extension PlanCompiler {
    /// Adds a node's attention, on 16-bit codes where what it reads came of quantized weights.
    mutating func addAttention(
        _ attention: Operation.Attention, _ node: Graph.Node, result: Plan.Operand
    ) throws(Failure) {
        let (q, k, v) = (
            try operand(node.operands[0]), try operand(node.operands[1]), try operand(node.operands[2])
        )
        var isCoded = true
        for id in node.operands[..<3] where isCoded { isCoded = try comesOfCodes(id.index) }
        func tiles() -> Int? {
            guard isCoded else { return nil }
            let heads = min(attention.keyHeads, Executor.codedHeads)
            return addBuffer(
                .keyTiles(heads: heads, headDimension: attention.headDimension), rows: k.rows, tenant: nil)
        }
        switch attention.extent {
        case .causal(let layer):
            emit(.attendCausally(q: q, k: k, v: v, attention, layer: layer, result: result))
        case .segments:
            emit(
                .attendInSegments(
                    q: q, k: k, v: v, attention, boundaries: try buffer(node.operands[3]), tiles: tiles(),
                    result: result))
        case .windows:
            emit(
                .attendInWindows(
                    q: q, k: k, v: v, attention, windows: try buffer(node.operands[3]), isCoded: isCoded,
                    result: result))
        case .all:
            emit(.attendToAll(q: q, k: k, v: v, attention, tiles: tiles(), result: result))
        }
    }

    /// Whether a value is what a linear of quantized weights gave, turned, scaled or normalised at most.
    private func comesOfCodes(_ value: Int) throws(Failure) -> Bool {
        guard let node = nodes.last(where: { $0.result.index == value }) else { return false }
        switch node.operation {
        case .linear(let use, _):
            let bands = try weights.matrixIndices(use.weight)
            return weights.matrices[bands].allSatisfy { $0.activationGroup != nil }
        case .columns, .rotary, .norm, .lengthScale: return try comesOfCodes(node.operands[0].index)
        default: return false
        }
    }
}
