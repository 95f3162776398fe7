import Storage

/// Some nodes of a graph that run by themselves: what they are fed, and what they give.
public struct GraphPart: Hashable, Sendable {
    /// The graph that it is a part of.
    public let graph: Graph
    /// In the order of the graph.
    public let nodes: [Graph.Node]
    /// The values that a caller feeds, in order.
    public let given: [Graph.ValueID]
    /// The values that come of it, in order; one that is given is passed on.
    public let results: [Graph.ValueID]

    /// The whole of a graph.
    public init(_ graph: Graph) {
        self.init(
            graph, nodes: graph.nodes, given: (0..<graph.inputCount).map(Graph.ValueID.init),
            results: [graph.output])
    }

    init(_ graph: Graph, nodes: [Graph.Node], given: [Graph.ValueID], results: [Graph.ValueID]) {
        self.graph = graph
        self.nodes = nodes
        self.given = given
        self.results = results
    }

    /// The names of the weights that it reads, each once, in order.
    public var weightNames: [String] {
        var seen: Set<String> = []
        return nodes.flatMap(\.operation.weightNames).filter { seen.insert($0).inserted }
    }
}

/// A graph cut before every group of linears that read the same value, so that it can be run group by group: each node
/// once, over any number of inputs, with nothing of a later group's weights at hand.
///
/// Linears of experts are a group of their own, apart from others that read that value: which rows each expert reads is
/// known only once the router among those others has run.
public struct StagedGraph: Sendable {
    /// Linears that read the same value: all of its rows, or those that a router sent to each.
    public struct Stage: Sendable {
        /// What they read.
        public let input: Graph.ValueID
        /// In the order of the graph.
        public let linears: [Graph.Node]
        /// Which experts read the rows, known before any of `linears` runs; nil where all are read by all of `linears`.
        public let routes: Routes?
    }

    /// What a linear reads.
    private struct Reading: Hashable {
        let input: Graph.ValueID
        let routes: Routes?

        init(_ node: Graph.Node) {
            input = node.operands[0]
            if case .expertLinear(let linear) = node.operation {
                routes = Routes(value: node.operands[1], experts: linear.experts, chosen: linear.chosen)
            } else {
                routes = nil
            }
        }
    }

    /// A choice of experts, [n, 2·chosen]: the first half of each row are their numbers.
    public struct Routes: Hashable, Sendable {
        /// Where it is computed.
        public let value: Graph.ValueID
        /// How many experts there are.
        public let experts: Int
        /// How many of them read each row.
        public let chosen: Int
    }

    /// The graph that is cut.
    public let graph: Graph
    /// In the order in which they run.
    public let stages: [Stage]
    /// `parts[0]` runs up to the first stage's input, `parts[i + 1]` from stage i's linears to the next stage's input or the
    /// graph's output. What a part gives is what the next is given, but for inputs of the graph, which are fed to
    /// whichever part reads them.
    public let parts: [GraphPart]

    /// Cuts a graph.
    public init(_ graph: Graph) {
        self.graph = graph
        let (stages, cuts) = Self.cuts(graph)
        self.stages = stages
        let derived = Self.derived(graph)
        parts = zip(cuts, cuts.dropFirst()).map { start, end in Self.part(graph, start..<end, derived) }
    }

    /// Consecutive parts as one.
    public func joined(_ range: Range<Int>) -> GraphPart {
        let cuts = Self.cuts(graph).cuts
        return Self.part(graph, cuts[range.lowerBound]..<cuts[range.upperBound], Self.derived(graph))
    }

    /// The stages, and the node that each part begins with, and one more for the end.
    private static func cuts(_ graph: Graph) -> (stages: [Stage], cuts: [Int]) {
        var stages: [Stage] = []
        var cuts: [Int] = [0]
        var seen: Set<Reading> = []
        for (index, node) in graph.nodes.enumerated() where node.operation.isLinear {
            let reading = Reading(node)
            guard seen.insert(reading).inserted else { continue }
            let readers = graph.nodes.filter { $0.operation.isLinear && Reading($0) == reading }
            stages.append(Stage(input: reading.input, linears: readers, routes: reading.routes))
            cuts.append(index)
        }
        return (stages, cuts + [graph.nodes.count])
    }

    /// The values that follow from the graph's inputs without any weight, such as tables of angles: cheaper to compute in
    /// each part that reads them than to keep.
    private static func derived(_ graph: Graph) -> Set<Graph.ValueID> {
        var derived = Set((0..<graph.inputCount).map(Graph.ValueID.init))
        for node in graph.nodes
        where node.operation.weightNames.isEmpty && node.operands.allSatisfy(derived.contains) {
            derived.insert(node.result)
        }
        return derived
    }

    private static func part(
        _ graph: Graph, _ range: Range<Int>, _ derived: Set<Graph.ValueID>
    ) -> GraphPart {
        /// Values computed before node `cut` and read from there on.
        func carried(at cut: Int) -> [Graph.ValueID] {
            let read = Set(graph.nodes[cut...].flatMap(\.operands) + [graph.output])
            return graph.nodes[..<cut].map(\.result).filter { read.contains($0) && !derived.contains($0) }
        }
        var needed = Set(graph.nodes[range].flatMap(\.operands))
        var earlier: [Graph.Node] = []
        for node in graph.nodes[..<range.lowerBound].reversed()
        where derived.contains(node.result) && needed.contains(node.result) {
            earlier.append(node)
            needed.formUnion(node.operands)
        }
        let inputs = (0..<graph.inputCount).map(Graph.ValueID.init).filter(needed.contains)
        let isLast = range.upperBound == graph.nodes.count
        return GraphPart(
            graph, nodes: earlier.reversed() + graph.nodes[range],
            given: inputs + carried(at: range.lowerBound),
            results: isLast ? [graph.output] : carried(at: range.upperBound))
    }
}

extension StagedGraph.Stage {
    /// The first weight that reads its input.
    public var name: String { linears.first?.operation.weightNames.first ?? "" }

    /// The number of the transformer block that it is in, if any.
    public var block: Int? { linears.first?.operation.weightUse?.block }

    /// K of its weights.
    public func columns(in model: ModelGraph) -> Int? {
        model.weights.first { $0.name == name }?.shape.extents.last
    }
}
