import CKernels
import GraphIR
import Storage

/// Turns a graph into a plan: picks kernels by how weights are stored, shares quantized activations between the
/// products that read them, lets results take the place of operands that die, and makes slices and merges free.
struct PlanCompiler {
    let graph: Graph
    /// Those of the part being compiled.
    let nodes: [Graph.Node]
    let weights: Weights
    var plan: Plan
    /// Where each value is, once computed.
    var operands: [Plan.Operand?]
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

    static func compile(_ part: GraphPart, _ weights: Weights) throws(Failure) -> Plan {
        var compiler = PlanCompiler(part, weights)
        var node = 0
        while node < part.nodes.count { node = try compiler.add(node) }
        for result in part.results { compiler.plan.results.append(try compiler.dense(result)) }
        for result in compiler.plan.results {
            compiler.plan.buffers[result.buffer].extendLife(to: compiler.plan.steps.count)
        }
        compiler.plan.findPasses()
        do {
            compiler.plan.bounds = try compiler.plan.findBounds(weights)
            try compiler.plan.check()
        } catch { throw Failure(error.kind, error.message, at: "graph '\(part.graph.name)'") }
        return compiler.plan
    }

    private init(_ part: GraphPart, _ weights: Weights) {
        graph = part.graph
        nodes = part.nodes
        self.weights = weights
        operands = Array(repeating: nil, count: graph.values.count)
        var lastUse = Array(repeating: -1, count: graph.values.count)
        for (index, node) in nodes.enumerated() {
            for operand in node.operands { lastUse[operand.index] = index }
        }
        for result in part.results { lastUse[result.index] = nodes.count }
        self.lastUse = lastUse
        plan = Plan()
        for (number, id) in part.given.enumerated() {
            let type = graph[id].type
            let columns = type.columns ?? 0
            let buffer = addBuffer(
                .input(number), rows: (columns > 0 ? type.extents.first : type.extents.last) ?? .fixed(1),
                tenant: id.index)
            operands[id.index] = Plan.Operand(
                buffer: buffer, column: 0, columns: columns, pitch: columns, rows: plan.buffers[buffer].rows)
        }
        plan.inputs = part.given.map { graph[$0] }
    }

    // MARK: Nodes

    /// Adds the steps of node `index` and of those that join it; gives the number of the next.
    private mutating func add(_ index: Int) throws(Failure) -> Int {
        let node = nodes[index]
        let result = node.result.index
        switch node.operation {
        case .embedding(let use):
            let out = newOperand(for: result)
            emit(
                .embed(
                    bands: try weights.matrixIndices(use.weight), ids: try buffer(node.operands[0]),
                    result: out))
            operands[result] = out
        case .linear:
            return try addProducts(from: index)
        case .expertLinear:
            return try addExpertProducts(from: index)
        case .parameter(let weight):
            let out = newOperand(for: result)
            emit(.parameter(weight: try weights.matrixIndex(weight), result: out))
            operands[result] = out
        case .positionTable(let weight, let interpolation):
            let out = newOperand(for: result)
            emit(
                .positionTable(
                    weight: try weights.matrixIndex(weight), interpolation,
                    coordinates: try buffer(node.operands[0]), segments: try buffer(node.operands[1]),
                    result: out))
            operands[result] = out
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
                emit(
                    .rmsNorm(
                        x, heads: norm.heads, weight: weight, epsilon: Float(norm.epsilon), result: out))
            }
            operands[result] = out
        case .activation(let kind):
            let x = try dense(node.operands[0])
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.activate(kind, x, result: out))
            take(out, result)
        case .gatedProduct(let kind):
            let (gate, up) = (try dense(node.operands[0]), try dense(node.operands[1]))
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.gate(kind, gate, up, result: out))
            take(out, result)
        case .add:
            let (a, b) = (try dense(node.operands[0]), try dense(node.operands[1]))
            let out = inPlace(node.operands[0], at: index, contiguous: true) ?? newOperand(for: result)
            emit(.add(a, b, result: out))
            take(out, result)
        case .concatenate:
            let out = newOperand(for: result)
            var part = out
            for id in node.operands {
                let x = try operand(id)
                part.columns = x.columns
                emit(.copy(x, result: part))
                part.column += x.columns
            }
            operands[result] = out
        case .columns(let range):
            var x = try operand(node.operands[0])
            x.column += range.lowerBound
            x.columns = range.count
            take(x, result)
        case .mergeRows(let factor):
            var x = try dense(node.operands[0])
            (x.columns, x.pitch) = (x.columns * factor, x.pitch * factor)
            x.rows = graph[node.result].type.extents[0]
            take(x, result)
        case .selectRows:
            let out = newOperand(for: result)
            emit(.select(try operand(node.operands[0]), index: try buffer(node.operands[1]), result: out))
            operands[result] = out
        case .scatterRows:
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(.scatter(out, rows: try operand(node.operands[1]), index: try buffer(node.operands[2])))
            take(out, result)
        case .addRows:
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(.addRows(out, rows: try operand(node.operands[1]), index: try buffer(node.operands[2])))
            take(out, result)
        case .route(let chosen):
            let out = newOperand(for: result)
            emit(.route(try operand(node.operands[0]), chosen: chosen, result: out))
            operands[result] = out
        case .weightedSum(let chosen):
            let out = newOperand(for: result)
            emit(
                .weightedSum(
                    try operand(node.operands[0]), routes: try operand(node.operands[1]), chosen: chosen,
                    result: out))
            operands[result] = out
        case .rotaryTable(let table):
            let out = newOperand(for: result, columns: table.headDimension)
            plan.rotaryTables.append(RotaryFrequencies(table))
            emit(
                .rotaryTable(
                    plan.rotaryTables.count - 1, positions: try buffer(node.operands[0]),
                    promptLength: node.operands.count > 1 ? try buffer(node.operands[1]) : nil, result: out))
            operands[result] = out
        case .lengthScale(let length):
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(.lengthScale(out, positions: try buffer(node.operands[1]), length: length))
            take(out, result)
        case .windows(let side):
            let into = addBuffer(.floats(width: 2), rows: graph[node.result].type.extents[1], tenant: result)
            emit(
                .windows(
                    coordinates: try buffer(node.operands[0]), segments: try buffer(node.operands[1]),
                    side: side,
                    into: into))
            operands[result] = Plan.Operand(
                buffer: into, column: 0, columns: 0, pitch: 0, rows: plan.buffers[into].rows)
        case .rotary(let heads, let headDimension):
            let out = try ownedCopy(node.operands[0], at: index, for: result)
            emit(
                .rotate(out, table: try operand(node.operands[1]), heads: heads, headDimension: headDimension)
            )
            take(out, result)
        case .attention(let attention):
            // A query's result takes its place: nothing else reads it.
            let out = inPlace(node.operands[0], at: index, contiguous: false) ?? newOperand(for: result)
            try addAttention(attention, node, result: out)
            take(out, result)
        }
        mark(node.result)
        return index + 1
    }

    /// Adds the linears from node `first` on that read the same value: those whose weights, or bands of weights, take it in the
    /// same form are one step.
    private mutating func addProducts(from first: Int) throws(Failure) -> Int {
        let source = nodes[first].operands[0]
        var next = first
        var pending: [(group: Int?, product: Plan.Product)] = []
        while next < nodes.count, case .linear(let use, let bias) = nodes[next].operation,
            nodes[next].operands[0] == source
        {
            let out = newOperand(for: nodes[next].result.index)
            operands[nodes[next].result.index] = out
            let vector = try bias.map(weights.vectorIndex) ?? -1
            var row = 0
            for weight in try weights.matrixIndices(use.weight) {
                let matrix = weights.matrices[weight]
                var part = out
                (part.column, part.columns) = (row, matrix.rows)
                pending.append(
                    (
                        matrix.activationGroup,
                        Plan.Product(weight: weight, bias: vector, firstRow: row, result: part)
                    ))
                row += matrix.rows
            }
            next += 1
        }
        while let group = pending.first.map(\.group) {
            let start = plan.products.count
            plan.products += pending.filter { $0.group == group }.map(\.product)
            pending.removeAll { $0.group == group }
            let products = start..<plan.products.count
            if let group {
                emit(.packedProducts(products, activations: try quantize(source, group: group)))
            } else {
                emit(.floatProducts(products, try operand(source)))
            }
        }
        for node in first..<next { mark(nodes[node].result) }
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

    func operand(_ id: Graph.ValueID) throws(Failure) -> Plan.Operand {
        guard let operand = operands[id.index] else {
            throw .badInput(
                "value '\(graph[id].name)' is used before it is there", at: "graph '\(graph.name)'")
        }
        return operand
    }

    /// The buffer of a value that is used whole.
    func buffer(_ id: Graph.ValueID) throws(Failure) -> Int { try operand(id).buffer }

    /// The operand with its rows side by side in memory: itself, or a copy of a slice.
    private mutating func dense(_ id: Graph.ValueID) throws(Failure) -> Plan.Operand {
        let slice = try operand(id)
        guard slice.pitch != slice.columns else { return slice }
        let buffer = addBuffer(.floats(width: slice.columns), rows: slice.rows, tenant: nil)
        let copy = Plan.Operand(
            buffer: buffer, column: 0, columns: slice.columns, pitch: slice.columns, rows: slice.rows)
        emit(.copy(slice, result: copy))
        return copy
    }

    mutating func newOperand(for value: Int) -> Plan.Operand {
        newOperand(for: value, columns: graph.values[value].type.columns ?? 0)
    }

    private mutating func newOperand(for value: Int, columns: Int) -> Plan.Operand {
        let type = graph.values[value].type
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

    mutating func addBuffer(
        _ kind: Plan.Buffer.Kind, rows: Dimension, copies: Int = 1, tenant: Int?
    ) -> Int {
        plan.buffers.append(
            Plan.Buffer(kind: kind, rows: rows, copies: copies, live: plan.steps.count...plan.steps.count))
        tenants.append(tenant.map { [$0] } ?? [])
        return plan.buffers.count - 1
    }

    // MARK: Steps

    mutating func emit(_ step: Plan.Step) {
        let index = plan.steps.count
        plan.steps.append(step)
        for access in step.accesses(in: plan) { plan.buffers[access.buffer].extendLife(to: index) }
    }

    /// Remembers a value with a telling name, so that an observer can be shown it.
    mutating func mark(_ id: Graph.ValueID) {
        let value = graph[id]
        guard value.isNamed, let operand = operands[id.index], operand.pitch == operand.columns,
            value.type.element == .float
        else { return }
        // A view has no step of its own: it is shown after the last, until when its buffer must live.
        let step = max(0, plan.steps.count - 1)
        plan.buffers[operand.buffer].extendLife(to: step)
        plan.marks.append(Plan.Mark(step: step, name: value.name, operand: operand))
    }
}
