import ArgumentParser
import BundleCommands
import CommandSupport
import Generations

@main struct FromQwen25VL: ConversionCommand {
    static let converter = Converter.qwen25VL
    @OptionGroup var options: ConversionOptions
}
