public import ArgumentParser
import CommandSupport
public import Storage
import Threads

/// What every command that makes a bundle takes.
public struct OutputOptions: ParsableArguments {
    /// Where the bundle goes.
    @Option(name: [.short, .long], help: "The bundle to write.")
    public var output: String?

    /// How many threads work.
    @Option(
        name: [.short, .long], help: "Threads to use. The bytes written do not depend on it.",
        transform: whole(Allowed.threads))
    public var threads: Int = ThreadPool.processors

    /// Whether an existing bundle is replaced.
    @Flag(help: "Replace an existing bundle.")
    public var force = false

    /// Whether to stop after the plan.
    @Flag(help: "Say what would be written, by this and by other recipes, and stop.")
    public var dryRun = false

    /// Whether to report as JSON.
    @Flag(help: "Report as JSON.")
    public var json = false

    /// Whether to list every tensor.
    @Flag(name: [.short, .long], help: "List every tensor.")
    public var verbose = false

    /// The bundle to write; nil when nothing is to be written.
    /// - Parameter inputs: every file that is read for it.
    /// - Throws: `usage` when one is needed and none is named, or when it must not be written.
    public func destination(inputs: [String]) throws(Failure) -> OutputPath? {
        guard !dryRun else { return nil }
        guard let output else {
            throw Failure(
                .usage, "no bundle to write is named",
                remedy: "-o FILE names it; --dry-run says what would be written")
        }
        return try OutputPath(output, replacing: force, inputs: inputs)
    }

    /// For the argument parser.
    public init() {}
}
