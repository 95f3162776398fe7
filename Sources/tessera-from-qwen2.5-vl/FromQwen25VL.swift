import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
import Storage

@main struct FromQwen25VL: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-from-qwen2.5-vl",
        abstract: "Convert a published Qwen2.5-VL checkpoint into one bundle.",
        discussion: ConversionOptions.promise)

    @OptionGroup var options: ConversionOptions

    mutating func execute() throws(Failure) {
        try options.run(.qwen25VL)
    }
}
