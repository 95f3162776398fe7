import Bundles
import GraphIR
import Runtime
import SampleSets
import Storage
import Tessera
import Threads

/// A model as one side of a comparison that runs it part by part: its graphs, and who lends its weights.
struct PartedModel {
    let graph: ModelGraph
    let weight: (String) throws(Failure) -> LentWeight?
    let pool: ThreadPool
    let largeProduct: LargeProduct?
    private let arena = Arena()

    /// The weights of a bundle, as they are.
    init(_ bundle: Bundle, _ graph: ModelGraph, _ pool: ThreadPool, _ largeProduct: LargeProduct?) {
        self.init(graph, pool, largeProduct) { (name) throws(Failure) in LentWeight(name, of: bundle) }
    }

    init(
        _ graph: ModelGraph, _ pool: ThreadPool, _ largeProduct: LargeProduct?,
        weight: @escaping (String) throws(Failure) -> LentWeight?
    ) {
        self.graph = graph
        self.weight = weight
        self.pool = pool
        self.largeProduct = largeProduct
    }

    /// The same with other weights.
    func lending(_ weight: @escaping (String) throws(Failure) -> LentWeight?) -> PartedModel {
        PartedModel(graph, pool, largeProduct, weight: weight)
    }

    /// The same with threads and memory of its own, to be run beside it.
    func twin(threads: Int) throws(Failure) -> PartedModel {
        PartedModel(graph, try ThreadPool(threads: threads), largeProduct, weight: weight)
    }

    /// Compiles a part of one of its graphs.
    func runner(_ part: GraphPart) throws(Failure) -> PartRunner {
        try PartRunner(
            part, graph.weights, pool: pool, largeProduct: largeProduct, arena: arena, weight: weight)
    }

    /// - Throws: `mismatch` unless the parts of both models' graphs give values of the same names and types.
    static func check(_ base: ModelGraph, _ other: ModelGraph) throws(Failure) {
        for name in ["vision", "text", "head"] {
            let (a, b) = (StagedGraph(try base.graph(name)), StagedGraph(try other.graph(name)))
            let isAlike =
                a.parts.count == b.parts.count
                && zip(a.parts, b.parts).allSatisfy { Signature($0) == Signature($1) }
            guard isAlike else { throw Failure(.mismatch, "the two bundles are not of the same model") }
        }
    }
}

/// What a part takes and gives.
private struct Signature: Equatable {
    let given, results: [Graph.Value]
    let modules: [String]

    init(_ part: GraphPart) {
        given = part.given.map { part.graph[$0] }
        results = part.results.map { part.graph[$0] }
        modules = part.weightNames
    }
}

extension GraphPart {
    /// What its linears and tables are called together, `text.block.0.attention.q+k+v`; its other weights, where it has none of
    /// these; nil for a part without weights.
    var moduleName: String? {
        let main = nodes.compactMap(\.operation.weightUse?.weight)
        let names = (main.isEmpty ? weightNames : main).map(Self.stem)
        guard let first = names.first else { return nil }
        var lasts: [String] = []
        let head = first.split(separator: ".").dropLast().joined(separator: ".")
        for name in names {
            guard name.hasPrefix(head + ".") else { return first }
            let last = String(name.dropFirst(head.count + 1))
            if !lasts.contains(last) { lasts.append(last) }
        }
        return head + "." + lasts.joined(separator: "+")
    }

    /// `text.block.0.norm1` of `text.block.0.norm1.weight`.
    static func stem(_ weight: String) -> String {
        weight.hasSuffix(".weight") ? String(weight.dropLast(7)) : weight
    }
}
