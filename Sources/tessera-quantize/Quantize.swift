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

            The same bundle and recipe give the same bytes on any number of threads. Interrupted, run the same command \
            again: it goes on where it was.
            """)

    @Argument(help: "The bundle to quantize.")
    var model: String

    @Option(help: "A recipe's name (int8, int4) or a JSON file; see formats/recipe.md.")
    var recipe: String = "int4"

    @Option(
        help:
            "What tessera-calibrate made with the same bundle, or an imatrix of llama.cpp's (GGUF) of the same model: of use to the solver 'search' only."
    )
    var calibration: String?

    @OptionGroup var target: TargetOptions

    @OptionGroup var options: OutputOptions

    mutating func execute() throws(Failure) {
        let destination = try options.destination
        let bundle = try Bundle(model)
        var recipe = try Recipe(named: recipe)
        let graph: ModelGraph
        do { graph = try ModelGraph(json: try bundle.graphJSON) } catch { throw error.located(in: model) }
        let inputs = try calibration.map { (path) throws(Failure) in
            let settings = try PromptSettings(json: try bundle.metadata["prompt"] ?? .null)
            return try InputStatistics(path, of: bundle.digest, graph, settings)
        }
        if target.isGiven {
            recipe = try target.recipe(
                recipe, graph, bundle, try Self.sensitivities(inputs), threads: options.threads)
        }
        let source = try BundleWeights(bundle)
        let job = try BundleJob(recipe, graph, source.weights, options, columns: inputs?.columns)
        guard let destination else { return try job.printPlan() }
        var metadata = job.metadata(entering: try bundle.metadata)
        var provenance = (metadata["provenance"] ?? .object([]))
            .setting("quantized_from", to: .string(bundle.digest.description)).setting(
                "recipe", to: recipe.json)
        var fingerprint = JSON.pairs(["quantized_from": .string(bundle.digest.description)])
        if let inputs {
            let digest = JSON.string(inputs.digest.description)
            provenance = provenance.setting("calibration", to: digest)
            fingerprint = fingerprint.setting("calibration", to: digest)
        }
        metadata = metadata.setting("provenance", to: provenance)
        switch inputs {
        case .set(let file):
            try job.run(bundle, file, to: destination, fingerprint: fingerprint, metadata: metadata)
        case .columns, nil:
            try job.run(
                source, to: destination, fingerprint: fingerprint, metadata: metadata,
                tokenizer: try bundle.tokenizer)
        }
    }

    /// The file that says how much weights matter.
    private static func sensitivities(_ inputs: InputStatistics?) throws(Failure) -> CalibrationFile {
        switch inputs {
        case .set(let file): return file
        case .columns(let columns):
            throw Failure(
                .usage, "has no sensitivities, as --bits and --fit need them: it is an imatrix",
                file: columns.matrix.path, remedy: "make a calibration file with tessera-calibrate")
        case nil:
            throw Failure(
                .usage, "--bits and --fit need a calibration file",
                remedy: "make one with tessera-calibrate, and name it with --calibration")
        }
    }
}
