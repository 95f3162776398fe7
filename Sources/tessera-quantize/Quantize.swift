import ArgumentParser
import BundleCommands
import Bundles
import CommandSupport
import GraphIR
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

    @OptionGroup var options: OutputOptions

    mutating func execute() throws(Failure) {
        let destination = try options.destination
        let bundle = try Bundle(model)
        let recipe = try Recipe(named: recipe)
        let graph: ModelGraph
        do { graph = try ModelGraph(json: try bundle.graphJSON) } catch { throw error.located(in: model) }
        let source = try BundleWeights(bundle)
        let job = try BundleJob(recipe, graph, source.weights, options)
        guard let destination else { return try job.printPlan() }
        let metadata = job.metadata(entering: try bundle.metadata)
        let provenance = (metadata["provenance"] ?? .object([]))
            .setting("quantized_from", to: .string(bundle.digest.description)).setting(
                "recipe", to: recipe.json)
        try job.run(
            source, to: destination,
            fingerprint: .pairs(["quantized_from": .string(bundle.digest.description)]),
            metadata: metadata.setting("provenance", to: provenance), tokenizer: try bundle.tokenizer)
    }
}
