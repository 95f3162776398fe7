import Foundation
import Storage
import TestSupport
import Testing

/// A chat, on a terminal that the test holds the other end of.
@Suite struct ChatTests {
    /// What a chat writes to stdout and stderr when these lines are typed.
    private func chat(_ options: [String], typing lines: [String]) throws -> Outcome {
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        defer { close(terminal) }
        var (number, lock): (Int32, Int32) = (0, 0)
        // What unlockpt and ptsname do, which Swift does not see: TIOCSPTLCK and TIOCGPTN.
        guard terminal >= 0, ioctl(terminal, 0x4004_5431, &lock) == 0,
            ioctl(terminal, 0x8004_5430, &number) == 0
        else { throw Failure(.io, "cannot open a terminal") }
        let other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        defer { close(other) }
        let process = Process()
        process.executableURL = URL(
            fileURLWithPath: Path.join(
                Path.directory(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")),
                "tessera-run"))
        process.arguments = [try SharedBundles.demo.get()] + options
        process.standardInput = FileHandle(fileDescriptor: other)
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let typed = Array((lines.joined(separator: "\n") + "\n").utf8)
        #expect(write(terminal, typed, typed.count) == typed.count)
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let log = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit
                ? process.terminationStatus : -process.terminationStatus,
            output: String(decoding: text, as: UTF8.self), errors: String(decoding: log, as: UTF8.self))
    }

    @Test func whatHasNoRoomLeavesTheChat() throws {
        let options = ["-c", "120", "-n", "12", "--temp", "0"]
        let long = String(repeating: "What color is it? ", count: 60)
        let plain = try chat(options, typing: ["Describe the picture.", "Which color?", "/quit"])
        let troubled = try chat(
            options,
            typing: [
                "Describe the picture.", long, "/image /nowhere.png", "/image \(Fixtures.path("tokenizer"))",
                "Which color?", "/quit",
            ])
        #expect(plain.status == 0 && troubled.status == 0, "\(troubled)")
        func answers(_ outcome: Outcome) -> [String] {
            outcome.output.split(separator: "> ").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
                .filter { !$0.isEmpty }
        }
        #expect(answers(plain).count == 2 && answers(plain) == answers(troubled))
        #expect(troubled.errors.contains("the context of 120 tokens is full"))
        #expect(troubled.errors.contains("nothing was said") && troubled.errors.contains("/nowhere.png"))
        #expect(plain.errors.isEmpty)
    }
}
