public import ArgumentParser
import Runtime

/// What every command that makes a bundle takes.
public struct OutputOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The bundle to write.")
    public var output: String

    @Option(name: [.short, .long], help: "Threads to use. The bytes written do not depend on it.")
    public var threads: Int = ThreadPool.processors

    @Flag(help: "Replace an existing bundle.")
    public var force = false

    @Flag(help: "Say what would be written, and stop.")
    public var dryRun = false

    @Flag(help: "Report as JSON.")
    public var json = false

    @Flag(name: [.short, .long], help: "List every tensor.")
    public var verbose = false

    public init() {}
}
