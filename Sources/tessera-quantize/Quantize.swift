import ArgumentParser
import BundleCommands
import Bundles
import Calibration
import CommandSupport
import FloatProducts
import GraphIR
import Prompts
import Quantization
import Storage

@main struct Quantize: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-quantize",
        abstract: "Quantize a bundle of full precision.",
        discussion: """
            Weights that were published as codes (GPTQ, AWQ, compressed-tensors) and carried over exactly stay as they are, \
            unless the recipe gives them fewer bits.

            With a calibration file the plan is printed before the work begins, with what each part is expected to cost.

            The same bundle and recipe give the same bytes on any number of threads. Interrupted, run the same command \
            again: it goes on where it was.
            """)

    @Argument(help: "The bundle to quantize.")
    var model: String

    @Option(help: "A recipe's name (int8, int4, int4-fast, int4-best) or a JSON file; see formats/recipe.md.")
    var recipe: String = "int4"

    @Option(
        help:
            "What tessera-calibrate made with the same bundle, or an imatrix of llama.cpp's (GGUF) of the same model: of use to the solver 'search' only."
    )
    var calibration: String?

    @OptionGroup var target: TargetOptions

    @OptionGroup var options: OutputOptions

    mutating func execute() throws(Failure) {
        let destination = try options.destination(
            inputs: [model] + Recipe.files(recipe) + [calibration].compactMap(\.self))
        let bundle = try Bundle(model)
        // New digests over damaged weights would call them sound.
        try bundle.verify(threads: options.threads)
        let graph: ModelGraph
        do { graph = try ModelGraph(json: try bundle.graphJSON) } catch { throw error.located(in: model) }
        var recipe = try Recipe(named: recipe, for: graph)
        let inputs = try calibration.map { (path) throws(Failure) in
            let settings = try PromptSettings(json: try bundle.metadata["prompt"] ?? .null)
            return try InputStatistics(path, of: bundle.digest, graph, settings)
        }
        try inputs?.set?.bundle.verify(threads: options.threads)
        let target = target.target(recipe)
        var sensitivities: Sensitivities?
        var budgeted: BudgetedRecipe?
        if let target {
            let file = try Self.file(inputs, to: "choosing formats by how much weights matter needs")
            let known = try Sensitivities(graph, bundle, file, threads: options.threads)
            let spent = try target.recipe(recipe, graph, bundle, known)
            (recipe, budgeted, sensitivities) = (spent.recipe, spent, known)
        } else if let file = inputs?.set, file.hasSensitivities {
            sensitivities = try Sensitivities(graph, bundle, file, threads: options.threads)
        }
        let rewrites = try rewrites(recipe, graph, bundle, inputs)
        let source =
            if let rewrites { rewrites.weights } else { RewrittenWeights(try BundleWeights(bundle)) }
        let job = try BundleJob(
            recipe, graph, source.weights, options, inputs: inputs, sensitivities: sensitivities,
            target: target.flatMap { target in budgeted.map { TargetReport("\(target)", $0) } },
            rewrites: rewrites)
        guard let destination else { return try job.printPlan() }
        var metadata = job.metadata(entering: try bundle.metadata)
        var provenance = (metadata["provenance"] ?? .object([]))
            .setting("quantized_from", to: .string(bundle.digest.description)).setting(
                "recipe", to: job.recipe.json)
        var fingerprint = JSON.pairs(["quantized_from": .string(bundle.digest.description)])
        if let inputs {
            let digest = JSON.string(inputs.digest.description)
            provenance = provenance.setting("calibration", to: digest)
            fingerprint = fingerprint.setting("calibration", to: digest)
        }
        metadata = metadata.setting("provenance", to: provenance)
        let tokenizer = try bundle.tokenizer
        switch inputs {
        case .set(let file):
            try job.run(
                source, file, to: destination, sources: [bundle.file.identity], fingerprint: fingerprint,
                metadata: metadata, tokenizer: tokenizer, carrying: bundle.carried)
        case .columns, nil:
            try job.run(
                source, to: destination, sources: [bundle.file.identity], fingerprint: fingerprint,
                metadata: metadata, tokenizer: tokenizer, carrying: bundle.carried)
        }
    }

    /// The calibration file that something needs.
    private static func file(_ inputs: InputStatistics?, to need: String) throws(Failure) -> CalibrationFile {
        switch inputs {
        case .set(let file): return file
        case .columns(let columns):
            throw Failure(
                .usage, "\(need) a calibration file: this is an imatrix, which has no sensitivities",
                file: columns.matrix.path, remedy: "make a calibration file with tessera-calibrate")
        case nil:
            throw Failure(
                .usage, "\(need) a calibration file",
                remedy: "make one with tessera-calibrate, and name it with --calibration")
        }
    }

    /// What the recipe's steps find to change; nil where there is nothing to look for.
    private func rewrites(
        _ recipe: Recipe, _ graph: ModelGraph, _ bundle: Bundle, _ inputs: InputStatistics?
    ) throws(Failure) -> RewriteSearch? {
        guard !recipe.steps.isEmpty else { return nil }
        let file = try Self.file(inputs, to: "the steps of the recipe '\(recipe.name)' need")
        // A plan shows what the recipe asks for; what its steps find comes with the work.
        guard !options.dryRun else { return nil }
        Interruption.watch()
        let plan = try QuantizationPlan(
            recipe, graph, try BundleWeights(bundle).weights, solver: .best(calibrated: true))
        let progress = SampleProgress()
        let search = try RewriteSearch(
            plan, graph, bundle, file, threads: options.threads, largeProduct: .openBLAS()
        ) { (state) throws(Failure) in
            progress.show(state.done, state.total, state.place)
            try Interruption.check()
        }
        progress.finish()
        if !search.outcomes.isEmpty { Console.log(search.summary(verbose: options.verbose)) }
        return search
    }
}
