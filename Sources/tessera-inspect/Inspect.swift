import ArgumentParser
import CommandSupport
import Storage

@main struct Inspect: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-inspect",
        abstract:
            "Show what is in a bundle or a checkpoint, verify it, say what a prompt will take, list published models.",
        subcommands: [Show.self, InspectCheckpoint.self, PlanPrompt.self, Manifests.self],
        defaultSubcommand: Show.self)

    mutating func execute() throws(Failure) {}
}
