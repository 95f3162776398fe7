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
        for (index, node) in part.nodes.enumerated() { try compiler.add(node, at: index) }
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

    /// Adds a node's steps, unless it has joined an earlier one's.
    private mutating func add(_ node: Graph.Node, at index: Int) throws(Failure) {
        if operands[node.result.index] == nil {
            take(try node.operation.lowered.lower(node, at: index, in: &self), node.result)
        }
        mark(node.result)
    }

    /// The buffer with the quantized form of a value, made now unless it is at hand.
    mutating func quantize(_ value: Graph.ValueID, group: Int) throws(Failure) -> Int {
        let key = Quantized(value: value.index, group: group)
        if let buffer = quantized[key] { return buffer }
        let x = try operand(value)
        let buffer = addBuffer(.activations(columns: x.columns, group: group), rows: x.rows)
        emit(Quantize(x: x, group: group, into: buffer))
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
    mutating func dense(_ id: Graph.ValueID) throws(Failure) -> Plan.Operand {
        let slice = try operand(id)
        guard slice.pitch != slice.columns else { return slice }
        let buffer = addBuffer(.floats(width: slice.columns), rows: slice.rows)
        let copy = Plan.Operand(
            buffer: buffer, column: 0, columns: slice.columns, pitch: slice.columns, rows: slice.rows)
        emit(Copy(x: slice, result: copy))
        return copy
    }

    /// Memory of its own for a value, of `columns` columns if its type does not say.
    mutating func newOperand(for value: Graph.ValueID, columns: Int? = nil) -> Plan.Operand {
        let type = graph[value].type
        let columns = columns ?? type.columns ?? 0
        let buffer = addBuffer(.floats(width: columns), rows: type.extents[0], tenant: value.index)
        return Plan.Operand(
            buffer: buffer, column: 0, columns: columns, pitch: columns, rows: type.extents[0])
    }

    /// The operand itself, when nothing else needs its memory after node `index`.
    func inPlace(_ id: Graph.ValueID, at index: Int, contiguous: Bool) -> Plan.Operand? {
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
    mutating func ownedCopy(_ id: Graph.ValueID, at index: Int, for value: Graph.ValueID) throws(Failure)
        -> Plan.Operand
    {
        if let same = inPlace(id, at: index, contiguous: false) { return same }
        let source = try operand(id)
        let out = newOperand(for: value)
        emit(Copy(x: source, result: out))
        return out
    }

    /// Lets `value` live where `operand` is.
    mutating func take(_ operand: Plan.Operand, _ value: Graph.ValueID) {
        operands[value.index] = operand
        if !tenants[operand.buffer].contains(value.index) { tenants[operand.buffer].append(value.index) }
    }

    mutating func addBuffer(
        _ kind: Plan.Buffer.Kind, rows: Dimension, copies: Int = 1, tenant: Int? = nil
    ) -> Int {
        plan.buffers.append(
            Plan.Buffer(kind: kind, rows: rows, copies: copies, live: plan.steps.count...plan.steps.count))
        tenants.append(tenant.map { [$0] } ?? [])
        return plan.buffers.count - 1
    }

    // MARK: Steps

    mutating func emit(_ step: any Step) {
        let index = plan.steps.count
        plan.steps.append(step)
        for access in step.accesses(in: plan) { plan.buffers[access.buffer].extendLife(to: index) }
    }

    /// Remembers a value with a telling name, so that an observer can be shown it.
    private mutating func mark(_ id: Graph.ValueID) {
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
