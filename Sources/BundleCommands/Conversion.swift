import Checkpoints
import CommandSupport
import Generations
import GraphIR
public import Quantization
import Storage

/// What every converter does once it understands its checkpoint.
struct Conversion {
    private let plan: CheckpointPlan
    private let recipe: Recipe
    private let job: BundleJob

    /// Plans the conversion, with quantization on the way when a recipe is named.
    init(_ plan: CheckpointPlan, recipe: String?, _ options: OutputOptions) throws(Failure) {
        self.plan = plan
        self.recipe =
            try recipe.map { (name) throws(Failure) in try Recipe(named: name, for: plan.graph) } ?? .keep
        job = try BundleJob(self.recipe, plan.graph, plan.weights, options)
    }

    /// Prints what would be written.
    func printPlan() throws(Failure) {
        logUnused()
        try job.printPlan(of: plan)
    }

    /// Writes the bundle of `model`, whose plan this is.
    func run(_ model: ImportedModel, to place: OutputPath) throws(Failure) {
        Console.log(plan.ledger.summary)
        Console.log(model.settings.summary)
        for note in model.notes { Console.log(note) }
        logUnused()
        let digests = try Conversion.digests(of: model.files)
        let metadata = job.metadata(entering: model.metadata(sources: digests, recipe: recipe.json))
        try job.run(
            CheckpointWeights(model), to: place, sources: model.files.map(\.identity),
            // The metadata holds the digests of all sources, and everything else that was read.
            fingerprint: .pairs(["graph": plan.graph.json, "metadata": metadata]), metadata: metadata,
            tokenizer: model.tokenizer)
    }

    private func logUnused() {
        for tensor in plan.ledger.unused { Console.log("unused: \(tensor.name): \(tensor.reason)") }
    }

    static func digests(of files: [SourceFile]) throws(Failure) -> [Digest] {
        let progress = Progress(total: files.reduce(0) { $0 + $1.byteCount })
        var digests: [Digest] = []
        var before = 0
        for file in files {
            digests.append(try file.digest { progress.show(before + $0, "digest of \(file.name)") })
            before += file.byteCount
        }
        progress.finish()
        return digests
    }
}

extension Recipe {
    /// The file that a recipe is read from; none where it is one that every build knows, or none is named.
    public static func files(_ name: String?) -> [String] {
        [name].compactMap(\.self).filter { !names.contains($0) }
    }

    /// Everything as the checkpoint had it.
    static var keep: Recipe { Recipe("keep", summary: "Everything as the checkpoint had it.", rules: []) }
}
