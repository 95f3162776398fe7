import ArgumentParser
import BundleCommands
import Bundles
import Calibration
import CommandSupport
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

    @Option(help: "What tessera-calibrate made with the same bundle.")
    var calibration: String?

    @OptionGroup var target: TargetOptions

    @OptionGroup var options: OutputOptions

    mutating func execute() throws(Failure) {
        let destination = try options.destination
        let bundle = try Bundle(model)
        var recipe = try Recipe(named: recipe)
        let graph: ModelGraph
        do { graph = try ModelGraph(json: try bundle.graphJSON) } catch { throw error.located(in: model) }
        let file = try calibration.map { (path) throws(Failure) in
            let settings = try PromptSettings(json: try bundle.metadata["prompt"] ?? .null)
            return try CalibrationFile(path, of: bundle.digest, graph, settings)
        }
        let target = target.target(recipe)
        guard target == nil || file != nil else {
            throw Failure(
                .usage, "choosing formats by how much weights matter needs a calibration file",
                remedy: "make one with tessera-calibrate, and name it with --calibration")
        }
        let sensitivities = try file.flatMap { (file) throws(Failure) in
            target == nil && !file.hasSensitivities
                ? nil : try Sensitivities(graph, bundle, file, threads: options.threads)
        }
        if let target, let sensitivities { recipe = try target.recipe(recipe, graph, bundle, sensitivities) }
        let source = try BundleWeights(bundle)
        let job = try BundleJob(
            recipe, graph, source.weights, options, calibration: file, sensitivities: sensitivities)
        guard let destination else { return try job.printPlan() }
        var metadata = job.metadata(entering: try bundle.metadata)
        var provenance = (metadata["provenance"] ?? .object([]))
            .setting("quantized_from", to: .string(bundle.digest.description)).setting(
                "recipe", to: job.recipe.json)
        var fingerprint = JSON.pairs(["quantized_from": .string(bundle.digest.description)])
        guard let file else {
            metadata = metadata.setting("provenance", to: provenance)
            return try job.run(
                source, to: destination, fingerprint: fingerprint, metadata: metadata,
                tokenizer: try bundle.tokenizer)
        }
        let digest = JSON.string(file.bundle.digest.description)
        provenance = provenance.setting("calibration", to: digest)
        fingerprint = fingerprint.setting("calibration", to: digest)
        metadata = metadata.setting("provenance", to: provenance)
        try job.run(bundle, file, to: destination, fingerprint: fingerprint, metadata: metadata)
    }
}
