import Foundation
import Generations
import Storage
import TestSupport
import Testing

/// What a command did.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String
}

/// Runs one of the built commands, which lie beside the tests.
func run(_ command: String, _ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    try run(command, arguments: arguments, environment: environment)
}

/// The same with a list of arguments; ended by SIGKILL if it runs longer than so many seconds.
func run(
    _ command: String, arguments: [String], environment: [String: String] = [:],
    killAfter seconds: Double? = nil
) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(
        fileURLWithPath: command.hasPrefix("/") ? command : Path.join(try commandFolder(), command))
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let identifier = process.processIdentifier
    let killing = DispatchWorkItem { kill(identifier, SIGKILL) }
    // Its number may be another's once it has ended.
    defer { killing.cancel() }
    if let seconds { DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: killing) }
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let log = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    // A trap ends by a signal, whose number is no documented code.
    let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return Outcome(
        status: status, output: String(decoding: text, as: UTF8.self),
        errors: String(decoding: log, as: UTF8.self))
}

/// Where the built commands are.
func commandFolder() throws -> String {
    Path.directory(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
}

/// Runs a script in which the built commands are known by their names; ended by SIGKILL after a minute, unless told otherwise.
func shell(_ script: String, killAfter seconds: Double = 60) throws -> Outcome {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try run(
        "/bin/bash", arguments: ["-c", script], environment: ["PATH": "\(try commandFolder()):\(path)"],
        killAfter: seconds)
}

/// A copy of a fixture's checkpoint that a test may damage.
struct CheckpointCopy {
    let directory: TemporaryDirectory
    var path: String { directory.path }

    init(_ fixture: String = "demo-qwen2-vl") throws {
        directory = try TemporaryDirectory()
        for name in try Path.list(Fixtures.path(fixture)) {
            try writeFile(directory.file(name), try readFile(Fixtures.path("\(fixture)/\(name)")))
        }
    }

    func edit(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try readFile(directory.file(name))
        change(&bytes)
        try writeFile(directory.file(name), bytes)
    }

    /// Replaces text, which must be there, by text of the same length, so that offsets stay.
    func replace(_ old: String, by new: String, in name: String = "model.safetensors") throws {
        var bytes = try readFile(directory.file(name))
        let range = try #require(bytes.firstRange(of: Array(old.utf8)), "\(name) has no '\(old)'")
        bytes.replaceSubrange(range, with: Array(new.utf8))
        try writeFile(directory.file(name), bytes)
    }

    func convert(_ options: String...) throws -> Outcome {
        let output = directory.file("out.tessera")
        return try run("tessera-from-qwen2-vl", path, "-o", output, options.first ?? "--force")
    }
}

/// The name of the generation that a fixture is of.
func generation(of fixture: String) throws -> String {
    try #require(Converter.all.last { fixture.hasPrefix($0.name) }).name
}
