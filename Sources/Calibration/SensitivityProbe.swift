import Accuracy
import Bundles
import GraphIR
import Prompts
import Runtime
import SampleSets
import Storage
import Threads

/// Measures how much the model's answers change when noise is added to one weight: the mean KL divergence from the model
/// as it is.
///
/// Of each role a few blocks are measured, the first and the last among them; those between follow by interpolation. What none of
/// the samples that are run can tell of is not measured.
struct SensitivityProbe {
    private let bundle: Bundle
    private let model: ModelGraph
    private let probe: AnswerProbe

    /// Blocks of a role that are measured.
    static let blocks = 6

    init(
        _ bundle: Bundle, _ model: ModelGraph, _ whole: PreparedSet, patches: any PatchStore,
        pool: ThreadPool,
        largeProduct: LargeProduct?
    ) {
        self.bundle = bundle
        self.model = model
        probe = AnswerProbe(model, whole, patches: patches, pool: pool, largeProduct: largeProduct)
    }

    /// The weights that are measured, in the order of the model; without pictures, those of the vision graph are not.
    static func weights(_ model: ModelGraph, hasVisuals: Bool) -> [String] {
        var byRole: [Role: [Operation.WeightUse]] = [:]
        var order: [Role] = []
        for graph in model.graphs where hasVisuals || graph.name != "vision" {
            for use in graph.weightUses {
                if byRole[use.role] == nil { order.append(use.role) }
                byRole[use.role, default: []].append(use)
            }
        }
        var names: [String] = []
        for role in order {
            let uses = byRole[role] ?? []
            let count = min(blocks, uses.count)
            for point in 0..<count {
                let use = uses[count == 1 ? 0 : point * (uses.count - 1) / (count - 1)]
                if !names.contains(use.weight) { names.append(use.weight) }
            }
        }
        return names
    }

    /// Measures weights.
    /// - Parameter record: given the mean KL divergence of each of `names`, in their order; nil where the noise reached none of the
    ///   answers that are compared.
    func run(
        _ names: [String], report: (Int) throws(Failure) -> Void,
        record: (String, Double?) throws(Failure) -> Void
    ) throws(Failure) {
        guard !names.isEmpty else { return }
        let (samples, plain) = (
            probe.prepared, { [bundle] (name: String) throws(Failure) in LentWeight(name, of: bundle) }
        )
        let graphs = (vision: try model.graph("vision"), text: try model.graph("text"))
        let visuals = try rows(graphs.vision, VisionFeed(prepared: samples, patches: probe.patches), plain)
        let base = try rows(graphs.text, TextFeed(prepared: samples, visuals: visuals), plain)
        for (index, name) in names.enumerated() {
            let (seen, inText) = (graphs.vision.uses(name), graphs.text.uses(name))
            // Noise in the vision graph changes nothing where there are no pictures.
            let changed = { (sample: PreparedSet.Sample) in !seen || inText || !sample.visuals.isEmpty }
            guard samples.samples.contains(where: changed) else {
                try record(name, nil)
                continue
            }
            guard let weight = LentWeight(name, of: bundle) else {
                throw .badInput("is not there", file: bundle.path, at: "tensor '\(name)'")
            }
            let noise = try NoisyWeight(weight).lent
            let noisy = { (other: String) throws(Failure) in other == name ? noise : try plain(other) }
            let feed = TextFeed(
                prepared: samples,
                visuals: seen
                    ? try rows(graphs.vision, VisionFeed(prepared: samples, patches: probe.patches), noisy)
                    : visuals)
            let hidden =
                try seen || inText
                ? rows(graphs.text, feed, noisy) { changed(samples.samples[$0]) } : base
            let divergence = try probe.divergence(base, plain, hidden, noisy, changed: changed)
            guard divergence.isFinite else {
                throw .badInput(
                    "with noise gives answers that are no numbers", file: bundle.path, at: "tensor '\(name)'")
            }
            // Noise that is read moves some logit: where none moved, nothing that was compared had read it.
            try record(name, divergence > 0 ? divergence : nil)
            try report(index + 1)
        }
    }

    /// What a graph gives for each run, but for those that are left out.
    private func rows(
        _ graph: Graph, _ feed: any GraphFeed, _ weight: AnswerProbe.Weights,
        where isDue: (Int) -> Bool = { _ in true }
    ) throws(Failure) -> SpooledRows {
        let part = GraphPart(graph)
        let file = try TemporaryFile()
        let columns = part.graph[part.graph.output].type.columns ?? 1
        var places: [(offset: Int, rows: Int)] = []
        let runner = try probe.runner(part, weight)
        for index in 0..<feed.count {
            guard isDue(index) else {
                places.append((0, 0))
                continue
            }
            let inputs = try part.given.map { (id) throws(Failure) in
                try feed.input(part.graph[id].name, index)
            }
            try runner(feed.extents(index), inputs) { (results) throws(Failure) in
                places.append(
                    (try file.append(UnsafeRawBufferPointer(results[0])), results[0].count / columns))
            }
        }
        return SpooledRows(file, columns: columns, places: places)
    }
}

extension Graph {
    /// Its linears' and embeddings' uses of weights, in order.
    var weightUses: [Operation.WeightUse] {
        nodes.compactMap { node in
            switch node.operation {
            case .embedding(let use), .linear(let use, _), .expertLinear(let use, _, _): use
            default: nil
            }
        }
    }

    /// Whether a node reads the weight of that name.
    func uses(_ weight: String) -> Bool { nodes.contains { $0.operation.weightNames.contains(weight) } }
}
