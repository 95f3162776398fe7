import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
import Storage

/// `tessera-inspect checkpoint`.
struct InspectCheckpoint: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Say what a checkpoint or a model in GGUF is, and what a conversion would say of it.",
        discussion: """
            Headers and small files are read, no weights. Exit code 0: it can be converted; 3: it cannot, and the report \
            says why.
            """)

    @Argument(help: "The folder, or the text part of a model in GGUF.")
    var directory: String

    @Option(help: "Which weights to take where the folder holds several sets.")
    var weights: String?

    @Option(help: "The vision part of a model in GGUF. (default: the only one beside the text part)")
    var mmproj: String?

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func execute() throws(Failure) {
        let survey = CheckpointSurvey(directory, weights: weights, mmproj: mmproj)
        var sizes: [RecipeSize] = []
        var refusal = survey.refusal
        if let model = survey.model {
            do { sizes = try RecipeSize.all(of: model.plan) } catch { refusal = error }
        }
        let report = CheckpointReport(survey, sizes, refusal)
        Console.print(json ? report.json.serialized(pretty: true) : report.text)
        if let refusal {
            throw Failure(
                .badInput, refusal.message, file: refusal.file, at: refusal.place, remedy: refusal.remedy)
        }
    }
}
