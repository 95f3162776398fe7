public import Storage

/// A weight that a model must have: its name in the bundle and its shape, [N, K] for a matrix.
public struct WeightSlot: Hashable, Sendable {
    /// Its name in the bundle.
    public let name: String
    /// [N, K] for a matrix.
    public let shape: Shape

    /// A slot from its parts.
    public init(_ name: String, _ shape: Shape) {
        self.name = name
        self.shape = shape
    }
}

/// A whole model: its weights and the graphs that use them.
///
/// | graph | inputs | output |
/// |---|---|---|
/// | `vision` | `patches` float[patches, C], `coordinates` index[2, patches], `segments` index[segments] | a row for each visual token |
/// | `text` | `tokens` index[tokens], `visuals` float[visuals, …], `visual_rows` index[visuals], `positions` index[axes, tokens], `outputs` index[outputs], and perhaps `prompt_length` index[1] | final hidden states [outputs, H] |
/// | `head` | `hidden` float[outputs, H] | logits [outputs, vocabulary] |
public struct ModelGraph: Hashable, Sendable {
    /// In the order in which they lie in a bundle.
    public let weights: [WeightSlot]
    /// In the order in which they run.
    public let graphs: [Graph]

    /// The graph of that name.
    public func graph(_ name: String) throws(Failure) -> Graph {
        guard let graph = graphs.first(where: { $0.name == name }) else {
            throw .badInput("the model has no graph '\(name)'")
        }
        return graph
    }

    /// Every use of a weight by an embedding or a linear, experts' among them, in the order of execution.
    public var uses: [Operation.WeightUse] {
        graphs.flatMap { $0.nodes.compactMap(\.operation.weightUse) }
    }
}

extension ModelGraph {
    /// The weights whose rows are tokens': those of embeddings, and of linears that give logits.
    public var tokenTables: Set<String> {
        var names: Set<String> = []
        for graph in graphs {
            for node in graph.nodes {
                switch node.operation {
                case .embedding(let embedding): names.insert(embedding.use.weight)
                case .linear(let linear) where graph.name == "head" && node.result == graph.output:
                    names.insert(linear.use.weight)
                default: break
                }
            }
        }
        return names
    }
}
