public import ArgumentParser
import Glibc
public import Storage
import Threads

/// A command of Tessera: prints results to stdout and everything else to stderr, and exits with the documented codes.
public protocol ToolCommand: ParsableCommand {
    /// Does the work.
    mutating func execute() throws(Failure)
}

extension ToolCommand {
    /// Parses the arguments, executes, and exits: 0, or the code of the failure (2 for wrong usage).
    public static func main() {
        StandardStreams.secure()
        do {
            var command = try parseAsRoot()
            if var tool = command as? any ToolCommand {
                try InstructionSet.check()
                try tool.execute()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            Console.fail(failure)
        } catch {
            let succeeded = exitCode(for: error) == .success
            let message = fullMessage(for: error)
            if succeeded { Console.print(message) } else { Console.log(message) }
            Glibc.exit(succeeded ? 0 : Failure.Kind.usage.rawValue)
        }
    }
}
