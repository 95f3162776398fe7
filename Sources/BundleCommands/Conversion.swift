import Checkpoints
import CommandSupport
public import Generations
import GraphIR
import Quantization
public import Storage

/// What every converter does once it understands its checkpoint.
public enum Conversion {
    /// Converts `model`, quantizing on the way when a recipe is named.
    public static func run(_ model: ImportedModel, recipe: String?, _ options: OutputOptions) throws(Failure)
    {
        Console.log(model.ledger.summary)
        for tensor in model.ledger.unused { Console.log("unused: \(tensor.name): \(tensor.reason)") }
        for warning in model.warnings { Console.warn(warning) }
        let recipe = try recipe.map { (name) throws(Failure) in try Recipe(named: name) } ?? .keep
        let source = CheckpointWeights(model.ledger)
        let job = try BundleJob(recipe, model.graph, source.weights, options)
        guard !options.dryRun else { return job.printPlan() }
        let total = model.checkpoint.files.reduce(0) { $0 + $1.byteCount }
        let progress = Progress(total: total)
        var digests: [Digest] = []
        var before = 0
        for file in model.checkpoint.files {
            digests.append(try file.digest { progress.show(before + $0, "digest of \(file.name)") })
            before += file.byteCount
        }
        progress.finish()
        let metadata = model.metadata(sources: digests, recipe: recipe.json)
        try job.run(
            source,
            // The metadata holds the digests of all sources, and everything else that was read.
            fingerprint: .pairs(["graph": model.graph.json, "metadata": metadata]), metadata: metadata,
            tokenizer: model.tokenizer)
    }
}

extension Recipe {
    /// Everything as the checkpoint had it.
    static var keep: Recipe { Recipe("keep", summary: "Everything as the checkpoint had it.", rules: []) }
}
