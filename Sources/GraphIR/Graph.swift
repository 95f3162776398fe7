import Storage

/// A computation over values, each assigned once, in the order in which it can be run.
public struct Graph: Hashable, Sendable {
    /// A value: an input of the graph or the result of a node.
    public struct Value: Hashable, Sendable {
        /// Unique in the graph. Results that a person would ask about have a telling name, such as `block.3`.
        public let name: String
        /// What its elements are and how many.
        public let type: ValueType

        /// Whether the name was given, not made up.
        public var isNamed: Bool { !(name.first == "v" && Int(name.dropFirst()) != nil) }
    }

    /// Refers to a value of the same graph.
    public struct ValueID: Hashable, Sendable {
        /// Its place among the values.
        public let index: Int
    }

    /// An operation, what it takes and the one value it gives.
    public struct Node: Hashable, Sendable {
        /// What is done.
        public let operation: Operation
        /// What it is done to.
        public let operands: [ValueID]
        /// What comes of it.
        public let result: ValueID
    }

    /// Its name in the model.
    public let name: String
    /// The inputs come first, then one result for each node, in order.
    public private(set) var values: [Value] = []
    /// How many of the values are inputs.
    public private(set) var inputCount = 0
    /// In an order in which they can run.
    public private(set) var nodes: [Node] = []
    /// The value that the graph gives.
    public private(set) var output = ValueID(index: 0)
    private var indices: [String: Int] = [:]

    /// The largest published model has some 3,000 nodes; what is done with a graph may take time by their square.
    static let mostNodes = 1 << 14

    init(name: String) { self.name = name }

    /// The values that a caller feeds, in order.
    public var inputs: ArraySlice<Value> { values[..<inputCount] }

    /// The value of that id.
    public subscript(id: ValueID) -> Value { values[id.index] }

    /// The value of that name.
    public func value(named name: String) -> ValueID? {
        indices[name].map(ValueID.init)
    }

    mutating func addInput(_ name: String, _ type: ValueType) throws(Failure) -> ValueID {
        guard nodes.isEmpty else {
            throw .badInput("input '\(name)' comes after nodes", at: "graph '\(self.name)'")
        }
        let id = try add(Value(name: name, type: type))
        inputCount += 1
        return id
    }

    /// Adds a node after checking that it is legal.
    mutating func addNode(
        _ operation: Operation, _ operands: [ValueID], name: String?, shapes: [String: Shape]
    ) throws(Failure) -> ValueID {
        let name = name ?? "v\(values.count)"
        let place = "graph '\(self.name)', value '\(name)'"
        guard nodes.count < Graph.mostNodes else {
            throw Failure(.limit, "is one node more than the \(Graph.mostNodes) allowed", at: place)
        }
        var types: [ValueType] = []
        for operand in operands {
            guard values.indices.contains(operand.index) else {
                throw .badInput("uses what is not there", at: place)
            }
            types.append(values[operand.index].type)
        }
        let type: ValueType
        do { type = try operation.inferType(types, shapes) } catch {
            throw .badInput(error.message, at: place)
        }
        let result = try add(Value(name: name, type: type))
        nodes.append(Node(operation: operation, operands: operands, result: result))
        return result
    }

    mutating func setOutput(_ id: ValueID) throws(Failure) {
        guard values.indices.contains(id.index) else { throw .badInput("graph '\(name)' has no such output") }
        let value = self[id]
        guard value.type.columns != nil else {
            throw .badInput(
                "cannot be the output: it is no matrix of floats",
                at: "graph '\(name)', value '\(value.name)'")
        }
        output = id
    }

    private mutating func add(_ value: Value) throws(Failure) -> ValueID {
        guard value.name.utf8.count <= 256, indices.updateValue(values.count, forKey: value.name) == nil
        else {
            throw .badInput("the name '\(value.name)' is given twice", at: "graph '\(name)'")
        }
        guard value.type.isAddressable else {
            throw .badInput("has the type \(value.type)", at: "graph '\(name)', value '\(value.name)'")
        }
        values.append(value)
        return ValueID(index: values.count - 1)
    }
}
