import ArgumentParser
import CommandSupport

@main struct Bench: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-bench",
        abstract: "Time a model or the kernels on this machine.",
        subcommands: [BenchModel.self, BenchKernels.self])

    mutating func execute() { Console.log(Self.helpMessage()) }
}
