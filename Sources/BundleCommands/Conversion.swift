import Bundles
import Checkpoints
import CommandSupport
import Generations
import GraphIR
public import Quantization
import Storage
import Synchronization
import Threads

/// What every converter does once it understands its checkpoint.
struct Conversion {
    private let plan: CheckpointPlan
    private let recipe: Recipe
    private let job: BundleJob
    private let carried: [CarriedSection]
    private let threads: Int

    /// Plans the conversion, with quantization on the way when a recipe is named.
    /// - Parameter carried: sections that are only carried along.
    init(
        _ plan: CheckpointPlan, recipe: String?, _ options: OutputOptions,
        carrying carried: [CarriedSection] = []
    ) throws(Failure) {
        self.plan = plan
        self.carried = carried
        self.recipe =
            try recipe.map { (name) throws(Failure) in try Recipe(named: name, for: plan.graph) } ?? .keep
        job = try BundleJob(self.recipe, plan.graph, plan.weights, options)
        threads = options.threads
    }

    /// Prints what would be written.
    func printPlan() throws(Failure) {
        logUnused()
        logCarried()
        try job.printPlan(of: plan)
    }

    /// Writes the bundle of `model`, whose plan this is.
    func run(_ model: ImportedModel, to place: OutputPath) throws(Failure) {
        Console.log(plan.ledger.summary)
        Console.log(model.settings.summary)
        for note in model.notes { Console.log(note) }
        logUnused()
        logCarried()
        let digests = try Conversion.digests(of: model.files, threads: threads)
        let metadata = job.metadata(entering: model.metadata(sources: digests, recipe: recipe.json))
        try job.run(
            CheckpointWeights(model), to: place, sources: model.files.map(\.identity),
            // The metadata holds the digests of all sources, and everything else that was read.
            fingerprint: .pairs(["graph": plan.graph.json, "metadata": metadata]), metadata: metadata,
            tokenizer: model.tokenizer, carrying: carried)
    }

    private func logCarried() {
        for section in carried {
            Console.log("carried: section \(section.code), \(ByteCount.text(section.byteCount))")
        }
    }

    private func logUnused() {
        for tensor in plan.ledger.unused { Console.log("unused: \(tensor.name): \(tensor.reason)") }
    }

    /// The digests of files, as many side by side as there are threads.
    static func digests(of files: [SourceFile], threads: Int) throws(Failure) -> [Digest] {
        let progress = Progress(total: files.reduce(0) { $0 + $1.byteCount })
        var digests: [Digest] = []
        let done = Mutex(0)
        try ThreadPool(threads: threads).runInOrder(files.count) { (number, _, turn) throws(Failure) in
            let file = files[number]
            var own = 0
            let digest = try file.digest { count in
                done.withLock {
                    $0 += count - own
                    progress.show($0, "digest of \(file.name)")
                }
                own = count
            }
            try turn.take { digests.append(digest) }
        }
        progress.finish()
        return digests
    }
}

extension CarriedSection {
    /// The tensors by which a model drafts tokens for itself.
    /// - Throws: `usage` when there are none, or when they cannot be handed on as they were published.
    static func drafting(of model: ImportedModel) throws(Failure) -> CarriedSection {
        let tensors = try model.drafting.all()
        return .drafting([.memory(SafetensorsFile.header(of: tensors))] + tensors.map { .mapped($0.data) })
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
