import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
import Storage

@main struct FromQwen2VL: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-from-qwen2-vl",
        abstract: "Convert a published Qwen2-VL checkpoint into one bundle.",
        discussion: ConversionOptions.promise)

    @OptionGroup var options: ConversionOptions

    mutating func execute() throws(Failure) {
        try options.run(.qwen2VL)
    }
}
