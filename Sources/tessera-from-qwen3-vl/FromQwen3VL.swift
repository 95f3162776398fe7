import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
import Storage

@main struct FromQwen3VL: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-from-qwen3-vl",
        abstract: "Convert a published Qwen3-VL checkpoint, dense or of experts, into one bundle.",
        discussion: ConversionOptions.promise)

    @OptionGroup var options: ConversionOptions

    mutating func execute() throws(Failure) {
        try options.run(.qwen3VL)
    }
}
