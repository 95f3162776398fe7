public import Storage

/// The JSON form, specified in `formats/graph.md` and `formats/graph.schema.json`.
extension ModelGraph {
    /// The form that a bundle carries.
    public var json: JSON {
        .pairs([
            "version": 1,
            "weights": .array(
                weights.map {
                    .pairs(["name": .string($0.name), "shape": .array($0.shape.extents.map(JSON.int))])
                }),
            "graphs": .array(graphs.map(\.json)),
        ])
    }

    /// Reads the JSON form of a whole model, checking every name, shape and type as if the graphs were being built, and that
    /// they are what a runtime can feed.
    /// - Throws: `badInput` naming the graph and the value; `limit` for a graph that is too large.
    public init(json: JSON) throws(Failure) {
        self = try ModelGraph(parsing: json)
        try checkInterfaces()
    }

    /// Reads the JSON form of any graphs.
    init(parsing json: JSON) throws(Failure) {
        guard json["version"]?.int == 1 else { throw .badInput("the graph has an unknown version") }
        try json.requireOnly(["version", "weights", "graphs"], at: "the model's graph")
        guard let weights = json["weights"]?.array, let graphs = json["graphs"]?.array else {
            throw .badInput("the graph lacks 'weights' or 'graphs'")
        }
        var builder = ModelGraphBuilder()
        for weight in weights {
            guard let name = weight["name"]?.string, let shape = weight["shape"]?.ints else {
                throw .badInput("a weight lacks its name or shape", at: "graph")
            }
            try weight.requireOnly(["name", "shape"], at: "weight '\(name)'")
            try builder.weight(name, shape)
        }
        for graph in graphs { try Graph.read(graph, into: &builder) }
        self = try builder.finish()
    }
}

extension Graph {
    var json: JSON {
        .pairs([
            "name": .string(name),
            "inputs": .array(
                inputs.map { .pairs(["name": .string($0.name), "type": .string($0.type.description)]) }),
            "nodes": .array(nodes.map(json)),
            "output": .string(self[output].name),
        ])
    }

    private func json(_ node: Node) -> JSON {
        let head: [JSON.Member] = [
            .init("op", .string(node.operation.name)),
            .init("operands", .array(node.operands.map { .string(self[$0].name) })),
        ]
        let tail: [JSON.Member] = [
            .init("result", .string(self[node.result].name)),
            .init("type", .string(self[node.result].type.description)),
        ]
        return .object(head + node.operation.attributes + tail)
    }

    static func read(_ json: JSON, into builder: inout ModelGraphBuilder) throws(Failure) {
        guard let name = json["name"]?.string, let inputs = json["inputs"]?.array,
            let nodes = json["nodes"]?.array
        else { throw .badInput("a graph lacks its name, inputs or nodes") }
        try json.requireOnly(["name", "inputs", "nodes", "output"], at: "graph '\(name)'")
        try builder.begin(name)
        var values: [String: ValueID] = [:]
        for input in inputs {
            guard let inputName = input["name"]?.string,
                let type = input["type"]?.string.flatMap(ValueType.init(parsing:))
            else { throw .badInput("an input lacks its name or type", at: "graph '\(name)'") }
            try input.requireOnly(["name", "type"], at: "graph '\(name)', input '\(inputName)'")
            values[inputName] = try builder.input(inputName, type)
        }
        func value(_ json: JSON?) throws(Failure) -> ValueID {
            guard let text = json?.string, let id = values[text] else {
                throw .badInput(
                    "'\(json?.string ?? "null")' is used before it is there", at: "graph '\(name)'")
            }
            return id
        }
        for node in nodes {
            guard let result = node["result"]?.string, let names = node["operands"]?.array else {
                throw .badInput("a node lacks its operands or result", at: "graph '\(name)'")
            }
            let place = "graph '\(name)', value '\(result)'"
            var operands: [ValueID] = []
            for operand in names { operands.append(try value(operand)) }
            let operation: Operation
            do { operation = try Operation(json: node) } catch {
                throw Failure(error.kind, error.message, at: place, remedy: error.remedy)
            }
            // What this version would pass over might change what is computed.
            try node.requireOnly(
                operation.attributeNames.union(["op", "operands", "result", "type"]), at: place)
            values[result] = try builder.add(operation, operands: operands, name: result)
        }
        try builder.output(try value(json["output"]))
    }
}
