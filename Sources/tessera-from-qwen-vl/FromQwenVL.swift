import ArgumentParser
import BundleCommands
import CommandSupport
import Generations
import Storage

@main struct FromQwenVL: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-from-qwen-vl",
        abstract: "Convert a published Qwen-VL or Qwen-VL-Chat checkpoint (2023) into one bundle.",
        discussion: ConversionOptions.promise)

    @OptionGroup var options: ConversionOptions

    mutating func execute() throws(Failure) {
        try options.run(.qwenVL)
    }
}
