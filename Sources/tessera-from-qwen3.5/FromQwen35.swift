import ArgumentParser
import BundleCommands
import CommandSupport
import Generations

@main struct FromQwen35: ConversionCommand {
    static let converter = Converter.qwen35
    @OptionGroup var options: ConversionOptions
}
