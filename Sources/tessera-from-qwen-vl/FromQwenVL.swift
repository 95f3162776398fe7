import ArgumentParser
import BundleCommands
import CommandSupport
import Generations

@main struct FromQwenVL: ConversionCommand {
    static let converter = Converter.qwenVL
    @OptionGroup var options: ConversionOptions
}
