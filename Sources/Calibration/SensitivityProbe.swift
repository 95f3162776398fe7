import Accuracy
import Bundles
import GraphIR
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
        let samples = probe.prepared
        let plain = { [bundle] (name: String) throws(Failure) in LentWeight(name, of: bundle) }
        let compile = { (part: GraphPart) throws(Failure) in try probe.runner(part, plain) }
        let vision = try ProbeTrunk(
            model.graph("vision"), changing: names,
            VisionFeed(prepared: samples, patches: probe.patches), compile)
        let text = try ProbeTrunk(
            model.graph("text"), changing: names, TextFeed(prepared: samples, visuals: vision.output), compile
        )
        let answers = try probe.answers(text.output, plain)
        for (index, name) in names.enumerated() {
            let (seen, inText) = (vision.reads(name), text.reads(name))
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
            let compile = { (part: GraphPart) throws(Failure) in try probe.runner(part, noisy) }
            let isDue = { (number: Int) in changed(samples.samples[number]) }
            var hidden = text.output
            if seen {
                let visuals = try vision.output(changing: name, compile) { _ in true }
                hidden = try text.output(
                    of: TextFeed(prepared: samples, visuals: visuals), compile, where: isDue)
            } else if inText {
                hidden = try text.output(changing: name, compile, where: isDue)
            }
            let divergence = try probe.divergence(answers, hidden, noisy, changed: changed)
            guard divergence.isFinite else {
                throw .badInput(
                    "with noise gives answers that are no numbers", file: bundle.path, at: "tensor '\(name)'")
            }
            // Noise that is read moves some logit: where none moved, nothing that was compared had read it.
            try record(name, divergence > 0 ? divergence : nil)
            try report(index + 1)
        }
    }
}

extension Graph {
    /// Its linears' and embeddings' uses of weights, in order.
    var weightUses: [Operation.WeightUse] { nodes.compactMap(\.operation.weightUse) }
}
