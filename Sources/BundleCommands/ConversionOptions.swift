public import ArgumentParser
public import Generations
public import Prompts
public import Storage

/// What every converter takes.
public struct ConversionOptions: ParsableArguments {
    /// What every converter promises.
    public static let promise = """
        Every tensor of the checkpoint is used exactly once or named as unused, and every weight of the model is filled; \
        anything else stops with exit code 3 and the tensor's name. Interrupted, run the same command again: it goes on \
        where it was.
        """

    /// The checkpoint's folder.
    @Argument(help: "The checkpoint's folder: config.json, weights, tokenizer.")
    public var checkpoint: String

    /// A recipe's name or file.
    @Option(help: "Quantize on the way, by a recipe's name (int8, int4) or file.")
    public var quantize: String?

    /// How pictures are resized.
    @Option(
        help:
            "How pictures are resized: torchvision (the reference's default), pillow, or pillow-rows-first (Pillow before 13)."
    )
    public var resampling: ImagePreprocessor.Resampling = .torchvision

    /// Where the bundle goes, and how.
    @OptionGroup public var output: OutputOptions

    /// For the argument parser.
    public init() {}

    /// Reads the checkpoint by `read` and converts it.
    public func run(
        _ read: (String, ImagePreprocessor.Resampling) throws(Failure) -> ImportedModel
    ) throws(Failure) {
        try Conversion.run(try read(checkpoint, resampling), recipe: quantize, output)
    }
}

extension ImagePreprocessor.Resampling: ExpressibleByArgument {}
