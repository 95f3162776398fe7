import CKernels
import GraphIR
import Storage

/// Turns a graph into a plan: picks kernels by how weights are stored, shares quantized activations between the
/// products that read them, lets results take the place of operands that die, and makes slices and merges free.
struct PlanCompiler {
    private let graph: Graph
    private let weights: Weights
    private var plan: Plan
    /// Where each value is, once computed.
    private var operands: [Plan.Operand?]
    /// The last node that uses each value; the output is used after all.
    private let lastUse: [Int]
    /// The values that share a buffer, by buffer.
    private var tenants: [[Int]] = []
    /// Quantized forms at hand: of an operand value, at a group size.
    private var quantized: [Quantized: Int] = [:]

    private struct Quantized: Hashable {
        let value: Int
        let group: Int
    }

    static func compile(_ graph: Graph, _ weights: Weights) throws(Failure) -> Plan {
        var compiler = PlanCompiler(graph, weights)
        var node = 0
        while node < graph.nodes.count { node = try compiler.add(node) }
        return try compiler.finish()
    }

    private init(_ graph: Graph, _ weights: Weights) {
        self.graph = graph
        self.weights = weights
        operands = Array(repeating: nil, count: graph.values.count)
        var lastUse = Array(repeating: -1, count: graph.values.count)
        for (index, node) in graph.nodes.enumerated() {
            for operand in node.operands { lastUse[operand.index] = index }
        }
        lastUse[graph.output.index] = graph.nodes.count
        self.lastUse = lastUse
        plan = Plan(output: Plan.Operand(buffer: 0, column: 0, columns: 0, pitch: 0, rows: .fixed(1)))
        for (index, input) in graph.inputs.enumerated() {
            let rows = input.type.extents.last ?? .fixed(1)
            let columns = input.type.columns ?? 0
            let buffer = addBuffer(
                .input(index), rows: columns > 0 ? input.type.extents[0] : rows, tenant: index)
            operands[index] = Plan.Operand(
                buffer: buffer, column: 0, columns: columns, pitch: columns, rows: plan.buffers[buffer].rows)
        }
        plan.inputs = Array(graph.inputs)
    }

    private func finish() throws(Failure) -> Plan {
        var plan = plan
        plan.output = try operand(graph.output)
        plan.buffers[plan.output.buffer].extendLife(to: plan.steps.count)
        return plan
    }

    // MARK: Nodes

    /// Adds the steps of node `index` and of those that join it; gives the number of the next.
    private mutating func add(_ index: Int) throws(Failure) -> Int {
        let node = graph.nodes[index]
        let result = node.result.index
        switch node.operation {
        case .embedding(let use):
            let out = newOperand(for: result)
            emit(
                .embed(weight: try weights.matrixIndex(use.weight), ids: node.operands[0].index, result: out))
            operands[result] = out
        case .linear:
            return try addProducts(from: index)
        case .norm(let norm):
            let x = try operand(node.operands[0])
            let out = newOperand(for: result)
            let weight = try weights.vectorIndex(norm.weight)
            if let bias = norm.bias {
                emit(
                    .layerNorm(
                        x, weight: weight, bias: try weights.vectorIndex(bias), epsilon: Float(norm.epsilon),
                        result: out))
            } else {
                emit(.rmsNorm(x, weight: weight, epsilon: Float(norm.epsilon), result: out))
            }
            operands[result] = out
        case .activation(let kind):
            let x = try operand(node.operands[0])
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.activate(kind, x, result: out))
            take(out, result)
        case .gatedProduct(let kind):
            let (gate, up) = (try operand(node.operands[0]), try operand(node.operands[1]))
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.gate(kind, gate, up, result: out))
            take(out, result)
        case .add:
            let (a, b) = (try operand(node.operands[0]), try operand(node.operands[1]))
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.add(a, b, result: out))
            take(out, result)
        case .columns(let range):
            var x = try operand(node.operands[0])
            x.column += range.lowerBound
            x.columns = range.count
            take(x, result)
        case .mergeRows(let factor):
            var x = try contiguous(node.operands[0])
            (x.columns, x.pitch) = (x.columns * factor, x.pitch * factor)
            x.rows = graph[node.result].type.extents[0]
            take(x, result)
        case .selectRows:
            let out = newOperand(for: result)
            emit(.select(try operand(node.operands[0]), index: node.operands[1].index, result: out))
            operands[result] = out
        case .scatterRows:
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(.scatter(out, rows: try operand(node.operands[1]), index: node.operands[2].index))
            take(out, result)
        case .rotaryTable(let table):
            let out = newOperand(for: result)
            plan.rotaryTables.append(RotaryFrequencies(table))
            emit(.rotaryTable(plan.rotaryTables.count - 1, positions: node.operands[0].index, result: out))
            operands[result] = out
        case .rotary(let heads, let headDimension):
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(
                .rotate(out, table: try operand(node.operands[1]), heads: heads, headDimension: headDimension)
            )
            take(out, result)
        case .attention(let attention):
            let (q, k, v) = (
                try operand(node.operands[0]), try operand(node.operands[1]), try operand(node.operands[2])
            )
            let out = newOperand(for: result)
            switch attention.extent {
            case .causal(let layer):
                emit(.attendCausally(q: q, k: k, v: v, attention, layer: layer, result: out))
            case .segments:
                emit(
                    .attendInSegments(
                        q: q, k: k, v: v, attention, boundaries: node.operands[3].index, result: out))
            }
            operands[result] = out
        }
        mark(node.result)
        return index + 1
    }

    /// Adds the linears from node `first` on that read the same value with the same kind of weights, as one step.
    private mutating func addProducts(from first: Int) throws(Failure) -> Int {
        let source = graph.nodes[first].operands[0]
        var next = first
        var group: Int?
        let start = plan.products.count
        while next < graph.nodes.count, case .linear(let use, let bias) = graph.nodes[next].operation,
            graph.nodes[next].operands[0] == source
        {
            let weight = try weights.matrixIndex(use.weight)
            let size: Int? =
                if case .packed(let packed) = weights.matrices[weight] { Int(packed.group) } else { nil }
            if next == first { group = size } else if group != size { break }
            let out = newOperand(for: graph.nodes[next].result.index)
            operands[graph.nodes[next].result.index] = out
            plan.products.append(
                Plan.Product(weight: weight, bias: try bias.map(weights.vectorIndex) ?? -1, result: out))
            next += 1
        }
        let products = start..<plan.products.count
        if let group {
            let activations = try quantize(source, group: group)
            emit(.packedProducts(products, activations: activations))
        } else {
            emit(.floatProducts(products, try operand(source)))
        }
        for node in first..<next { mark(graph.nodes[node].result) }
        return next
    }

    /// The buffer with the quantized form of a value, made now unless it is at hand.
    private mutating func quantize(_ value: Graph.ValueID, group: Int) throws(Failure) -> Int {
        let key = Quantized(value: value.index, group: group)
        if let buffer = quantized[key] { return buffer }
        let x = try operand(value)
        let buffer = addBuffer(.activations(columns: x.columns, group: group), rows: x.rows, tenant: nil)
        emit(.quantize(x, group: group, into: buffer))
        quantized[key] = buffer
        return buffer
    }

    // MARK: Operands

    private func operand(_ id: Graph.ValueID) throws(Failure) -> Plan.Operand {
        guard let operand = operands[id.index] else {
            throw .badInput(
                "value '\(graph[id].name)' is used before it is there", at: "graph '\(graph.name)'")
        }
        return operand
    }

    private func contiguous(_ id: Graph.ValueID) throws(Failure) -> Plan.Operand {
        let operand = try operand(id)
        guard operand.column == 0, operand.pitch == operand.columns else {
            throw .badInput(
                "value '\(graph[id].name)' is a slice, which cannot be merged", at: "graph '\(graph.name)'")
        }
        return operand
    }

    private mutating func newOperand(for value: Int) -> Plan.Operand {
        let type = graph.values[value].type
        let columns = type.columns ?? 0
        let buffer = addBuffer(.floats(width: columns), rows: type.extents[0], tenant: value)
        return Plan.Operand(
            buffer: buffer, column: 0, columns: columns, pitch: columns, rows: type.extents[0])
    }

    /// The operand itself, when nothing else needs its memory after node `index`.
    private func inPlace(_ id: Graph.ValueID, at index: Int, contiguous: Bool) -> Plan.Operand? {
        guard let operand = operands[id.index], lastUse[id.index] <= index else { return nil }
        if contiguous, operand.pitch != operand.columns { return nil }
        if case .input = plan.buffers[operand.buffer].kind { return nil }
        for tenant in tenants[operand.buffer] where tenant != id.index && lastUse[tenant] > index {
            guard let other = operands[tenant] else { continue }
            let apart =
                other.column >= operand.column + operand.columns
                || operand.column >= other.column + other.columns
            if !apart || other.pitch != operand.pitch { return nil }
        }
        return operand
    }

    /// The operand itself when it may be overwritten, else a copy of it.
    private mutating func ownedCopy(_ id: Graph.ValueID, at index: Int, for value: Int) throws(Failure)
        -> Plan.Operand
    {
        if let same = inPlace(id, at: index, contiguous: false) { return same }
        let source = try operand(id)
        let out = newOperand(for: value)
        emit(.copy(source, result: out))
        return out
    }

    /// Lets `value` live where `operand` is.
    private mutating func take(_ operand: Plan.Operand, _ value: Int) {
        operands[value] = operand
        if !tenants[operand.buffer].contains(value) { tenants[operand.buffer].append(value) }
    }

    private mutating func addBuffer(_ kind: Plan.Buffer.Kind, rows: Dimension, tenant: Int?) -> Int {
        plan.buffers.append(Plan.Buffer(kind: kind, rows: rows, live: plan.steps.count...plan.steps.count))
        tenants.append(tenant.map { [$0] } ?? [])
        return plan.buffers.count - 1
    }

    // MARK: Steps

    private mutating func emit(_ step: Plan.Step) {
        let index = plan.steps.count
        plan.steps.append(step)
        for buffer in step.buffers(plan.products) { plan.buffers[buffer].extendLife(to: index) }
    }

    /// Remembers a value with a telling name, so that an observer can be shown it.
    private mutating func mark(_ id: Graph.ValueID) {
        let value = graph[id]
        guard value.isNamed, let operand = operands[id.index], operand.pitch == operand.columns,
            value.type.element == .float
        else { return }
        plan.marks.append(Plan.Mark(step: plan.steps.count - 1, name: value.name, operand: operand))
    }
}

extension Plan.Step {
    /// The buffers that it reads or writes.
    func buffers(_ products: [Plan.Product]) -> [Int] {
        switch self {
        case .embed(_, let ids, let result): [ids, result.buffer]
        case .quantize(let x, _, let into): [x.buffer, into]
        case .packedProducts(let range, let activations): [activations] + products[range].map(\.result.buffer)
        case .floatProducts(let range, let x): [x.buffer] + products[range].map(\.result.buffer)
        case .rmsNorm(let x, _, _, let result), .layerNorm(let x, _, _, _, let result):
            [x.buffer, result.buffer]
        case .activate(_, let x, let result), .copy(let x, let result): [x.buffer, result.buffer]
        case .gate(_, let a, let b, let result), .add(let a, let b, let result):
            [a.buffer, b.buffer, result.buffer]
        case .select(let x, let index, let result): [x.buffer, index, result.buffer]
        case .scatter(let x, let rows, let index): [x.buffer, rows.buffer, index]
        case .rotaryTable(_, let positions, let result): [positions, result.buffer]
        case .rotate(let x, let table, _, _): [x.buffer, table.buffer]
        case .attendCausally(let q, let k, let v, _, _, let result):
            [q.buffer, k.buffer, v.buffer, result.buffer]
        case .attendInSegments(let q, let k, let v, _, let boundaries, let result):
            [q.buffer, k.buffer, v.buffer, boundaries, result.buffer]
        }
    }
}
