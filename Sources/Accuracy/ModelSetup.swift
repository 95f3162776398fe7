public import Bundles
import GraphIR
public import Storage

/// All of a bundle but the values of its weights.
public struct ModelSetup: Sendable {
    let tensors: [TensorDescription]
    let graph: JSON
    let metadata: JSON
    let tokenizer: [UInt8]

    /// What a bundle would have.
    /// - Parameters:
    ///   - graph: the graphs, as the bundle has them.
    ///   - tokenizer: the tokenizer section.
    public init(tensors: [TensorDescription], graph: JSON, metadata: JSON, tokenizer: [UInt8]) {
        (self.tensors, self.graph, self.metadata) = (tensors, graph, metadata)
        self.tokenizer = tokenizer
    }

    /// What a bundle has.
    /// - Throws: `badInput` when its graph or metadata cannot be read.
    public init(_ bundle: Bundle) throws(Failure) {
        try self.init(
            tensors: bundle.tensors.map(\.description), graph: bundle.graphJSON, metadata: bundle.metadata,
            tokenizer: bundle.tokenizer)
        do { _ = try ModelGraph(json: graph) } catch { throw error.located(in: bundle.path) }
    }

    /// The steps of the recipe that it was made with: they change weights together.
    var steps: [String] { metadata["provenance"]?["recipe"]?["steps"]?.strings ?? [] }

    /// What another has that this one has not, or otherwise: tensors and shapes, operations, settings, the tokenizer.
    public func findings(against other: ModelSetup) -> [Finding] {
        let addsBiases = (steps + other.steps).contains("correct-biases")
        return UnpairedTensors(tensors, other.tensors, addsBiases: addsBiases).findings
            + GraphDifference(graph, other.graph, addsBiases: addsBiases).findings
            + SettingsDifference(metadata, other.metadata, sameTokenizer: tokenizer == other.tokenizer)
            .findings
    }
}
