public import ArgumentParser
public import Generations
public import Prompts
import Storage

/// What every command takes that reads a checkpoint.
public struct ReadingOptions: ParsableArguments {
    /// Which weights of the folder.
    @Option(
        help: """
            Which weights to take where a folder holds several sets: a file or an index of theirs. \
            (default: those that transformers would load)
            """)
    public var weights: String?

    /// Adapters to merge.
    @Option(
        help: """
            Merge an adapter (LoRA, rsLoRA, DoRA) that peft saved in this folder; repeat for more, merged in their order.
            """)
    public var adapter: [String] = []

    /// The vision part of a model in GGUF.
    @Option(
        help: "The vision part of a model in GGUF. (default: the only one beside the text part)")
    public var mmproj: String?

    /// How pictures are resized.
    @Option(
        help:
            "How pictures are resized: torchvision (the reference's default), pillow, or pillow-rows-first (Pillow before 13)."
    )
    public var resampling: ImagePreprocessor.Resampling = .torchvision

    /// The chat template to take.
    @Option(
        help: """
            Take this chat template instead of the checkpoint's: a file in Jinja, or one of \
            \(ChatTemplate.names.joined(separator: ", ")).
            """)
    public var chatTemplate: String?

    /// Settings to pass over.
    @Option(
        help: """
            Pass over a setting that would make a difference and is not supported, such as \
            generation_config.json:min_tokens; repeat for more.
            """)
    public var ignoreSetting: [String] = []

    /// For the argument parser.
    public init() {}

    /// The same for the reader.
    public var options: ImportOptions {
        ImportOptions(
            weights: weights, mmproj: mmproj, adapters: adapter, resampling: resampling,
            chatTemplate: chatTemplate, ignoredSettings: Set(ignoreSetting))
    }
}

extension ImagePreprocessor.Resampling: ExpressibleByArgument {}
