import ArgumentParser
import BundleCommands
import CommandSupport
import Generations

@main struct FromQwen2VL: ConversionCommand {
    static let converter = Converter.qwen2VL
    @OptionGroup var options: ConversionOptions
}
