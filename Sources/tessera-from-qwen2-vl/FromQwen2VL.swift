public import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
public import Prompts
import Storage

@main struct FromQwen2VL: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-from-qwen2-vl",
        abstract: "Convert a published Qwen2-VL checkpoint into one bundle.",
        discussion: """
            Every tensor of the checkpoint is used exactly once or named as unused, and every weight of the model is \
            filled; anything else stops with exit code 3 and the tensor's name. Interrupted, run the same command \
            again: it goes on where it was.
            """)

    @Argument(help: "The checkpoint's folder: config.json, safetensors, tokenizer.json.")
    var checkpoint: String

    @Option(help: "Quantize on the way, by a recipe's name (int8, int4) or file.")
    var quantize: String?

    @Option(help: "How pictures are resized: torchvision (the reference's default) or pillow.")
    var resampling: ImagePreprocessor.Resampling = .torchvision

    @OptionGroup var options: OutputOptions

    mutating func execute() throws(Failure) {
        try Conversion.run(
            try ImportedModel.qwen2VL(checkpoint, resampling: resampling), recipe: quantize, options)
    }
}

extension ImagePreprocessor.Resampling: ExpressibleByArgument {}
