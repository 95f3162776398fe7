public import ArgumentParser
import Bundles
import Checkpoints
public import CommandSupport
public import Generations
import Quantization
public import Storage

/// The command of one generation.
public protocol ConversionCommand: ToolCommand {
    /// What reads its checkpoints.
    static var converter: Converter { get }
    /// What it is told.
    var options: ConversionOptions { get }
}

extension ConversionCommand {
    /// For the argument parser.
    public static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: converter.command,
            abstract: "Convert a published \(converter.checkpoint) into one bundle.",
            discussion: """
                Every tensor of the checkpoint is used exactly once or named as unused, and every weight of the model is \
                filled; anything else stops with exit code 3 and the tensor's name. Interrupted, run the same command \
                again: it goes on where it was.
                """)
    }

    /// Converts what the options name.
    public func execute() throws(Failure) { try options.run(Self.converter) }
}

/// What every converter takes.
public struct ConversionOptions: ParsableArguments {
    /// The checkpoint's folder, or the text part of a model in GGUF.
    @Argument(
        help: """
            The checkpoint's folder: config.json, weights, tokenizer. Or a model in GGUF: its text part's file, or the folder \
            that holds it, with the vision part (mmproj) beside it.
            """)
    public var checkpoint: String?

    /// Stands in for a checkpoint in a dry run.
    @Option(
        help: """
            With --dry-run, instead of a folder: a published model's name (tessera-inspect manifests lists them) or a \
            manifest file; see formats/manifest.md.
            """)
    public var manifest: String?

    /// How the checkpoint is read.
    @OptionGroup public var reading: ReadingOptions

    /// A recipe's name or file.
    @Option(help: "Quantize on the way, by a recipe's name (int8, int4) or file.")
    public var quantize: String?

    /// Whether what drafts tokens comes along.
    @Flag(
        help: """
            Carry the tensors along by which a model drafts tokens for itself (mtp.*), as they are, in a section of their own; \
            nothing here runs them.
            """)
    public var keepMtp = false

    /// Where the bundle goes, and how.
    @OptionGroup public var output: OutputOptions

    /// For the argument parser.
    public init() {}

    /// Converts the checkpoint, or says what would be written.
    fileprivate func run(_ converter: Converter) throws(Failure) {
        switch (checkpoint, manifest) {
        case (let folder?, nil):
            let destination = try output.destination(
                inputs: OutputPath.inputs(in: Path.isRegularFile(folder) ? Path.directory(folder) : folder)
                    + reading.adapter.flatMap { OutputPath.inputs(in: $0) }
                    + Recipe.files(quantize) + [reading.mmproj].compactMap(\.self))
            let model = try converter.read(folder, reading.options)
            for warning in model.warnings { Console.warn(warning) }
            let conversion = try Conversion(
                model.plan, recipe: quantize, output, carrying: keepMtp ? [try .drafting(of: model)] : [])
            if let destination {
                try conversion.run(model, to: destination)
            } else {
                try conversion.printPlan()
            }
        case (nil, let name?): try runDry(CheckpointManifest(named: name), converter)
        case (nil, nil), (.some, .some):
            throw Failure(
                .usage, "what is to be converted is not said, or said twice",
                remedy: "name the checkpoint's folder or, with --dry-run, a --manifest")
        }
    }

    private func runDry(_ manifest: CheckpointManifest, _ converter: Converter) throws(Failure) {
        guard !keepMtp else { throw Failure(.usage, "--keep-mtp is for checkpoints, not for manifests") }
        guard output.dryRun else {
            throw Failure(
                .usage, "a manifest has no weights that could be converted", file: manifest.name,
                remedy: "--dry-run says what would be written")
        }
        Console.log(
            "\(manifest.name), as \(manifest.source) is published: \(manifest.byteCount) bytes. \(manifest.summary)"
        )
        Console.log("Only names, types and shapes were looked at: no weights, tokenizer, or other files.")
        let plan = try converter.plan(manifest)
        for warning in plan.warnings { Console.warn(warning) }
        try Conversion(plan, recipe: quantize, output).printPlan()
    }
}
