import ArgumentParser
import BundleCommands
import CommandSupport
import Generations

@main struct FromQwen3VL: ConversionCommand {
    static let converter = Converter.qwen3VL
    @OptionGroup var options: ConversionOptions
}
