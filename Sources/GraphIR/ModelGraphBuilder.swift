public import Storage

/// Builds a `ModelGraph`, checking every step.
public struct ModelGraphBuilder {
    private var slots: [WeightSlot] = []
    private var shapes: [String: Shape] = [:]
    private var graphs: [Graph] = []
    private var used: Set<String> = []

    /// A model without weights or graphs.
    public init() {}

    /// Declares a weight; impossible extents and repeated names are refused.
    @discardableResult
    public mutating func weight(_ name: String, _ extents: [Int]) throws(Failure) -> String {
        guard let shape = Shape(checking: extents), shape.count > 0, (1...2).contains(shape.rank),
            extents.allSatisfy({ $0 <= Dimension.largest })
        else {
            throw .badInput("the shape \(extents) is impossible", at: "weight '\(name)'")
        }
        guard shapes.updateValue(shape, forKey: name) == nil else {
            throw .badInput("is declared twice", at: "weight '\(name)'")
        }
        slots.append(WeightSlot(name, shape))
        return name
    }

    /// Starts a graph; what follows goes into it.
    public mutating func begin(_ name: String) throws(Failure) {
        guard !graphs.contains(where: { $0.name == name }) else {
            throw .badInput("graph '\(name)' is given twice")
        }
        graphs.append(Graph(name: name))
    }

    /// Adds an input to the current graph.
    public mutating func input(_ name: String, _ type: ValueType) throws(Failure) -> Graph.ValueID {
        try current { (graph) throws(Failure) in try graph.addInput(name, type) }
    }

    /// Adds a node to the current graph; `name` for results that a person would ask about.
    public mutating func add(
        _ operation: Operation, _ operands: Graph.ValueID..., name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        try add(operation, operands: operands, name: name)
    }

    /// Adds a node of any number of operands to the current graph.
    public mutating func add(
        _ operation: Operation, operands: [Graph.ValueID], name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        used.formUnion(operation.weightNames)
        let shapes = shapes
        return try current { (graph) throws(Failure) in
            try graph.addNode(operation, operands, name: name, shapes: shapes)
        }
    }

    /// Names the output of the current graph.
    public mutating func output(_ id: Graph.ValueID) throws(Failure) {
        try current { (graph) throws(Failure) in try graph.setOutput(id) }
    }

    /// The model; refused when a declared weight is never used.
    public func finish() throws(Failure) -> ModelGraph {
        if let idle = slots.first(where: { !used.contains($0.name) }) {
            throw .badInput("is declared but never used", at: "weight '\(idle.name)'")
        }
        return ModelGraph(weights: slots, graphs: graphs)
    }

    private mutating func current<T>(
        _ body: (inout Graph) throws(Failure) -> T
    ) throws(Failure) -> T {
        guard !graphs.isEmpty else { throw .badInput("no graph has begun") }
        return try body(&graphs[graphs.count - 1])
    }
}
