import Storage
import TestSupport
import Testing

/// What becomes of results that cannot be written.
@Suite struct StandardStreamTests {
    private static let work = Result { try TemporaryDirectory() }
    private static let bundle = Result {
        let path = try work.get().file("model.tessera")
        let outcome = try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", path)
        guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
        return path
    }

    private static let commands = [
        "tessera-run MODEL -p Hello -n 4", "tessera-run MODEL -p Hello -n 4 --json", "tessera-inspect MODEL",
        "tessera-inspect MODEL --json", "tessera-inspect MODEL --graph text",
        "tessera-inspect MODEL --metadata",
        "tessera-inspect manifests", "tessera-inspect plan MODEL --image 280x280",
        "tessera-diff MODEL MODEL -p Hello -n 4", "tessera-diff MODEL MODEL -p Hello -n 4 --json",
        "tessera-bench model MODEL --prefill 8 --decode 2 --runs 1", "tessera-quantize MODEL --dry-run",
        "tessera-from-qwen2-vl --manifest Qwen2-VL-2B --dry-run", "tessera-run --help",
        "tessera-inspect --help",
    ]

    private func outcome(_ command: String, _ redirection: String) throws -> Outcome {
        let command = command.replacing("MODEL", with: try Self.bundle.get())
        return try shell("set -o pipefail; \(command) \(redirection)")
    }

    @Test(arguments: commands) func aFullDiskIsAnError(command: String) throws {
        let full = try outcome(command, "> /dev/full")
        #expect(full.status == 4 && full.errors.contains("stdout: cannot write: No space left"), "\(full)")
        let closed = try outcome(command, ">&-")
        #expect(closed.status == 4 && closed.errors.contains("stdout: cannot write"), "\(closed)")
    }

    @Test(arguments: commands) func whoHeardEnoughIsNotTold(command: String) throws {
        // The pipe is closed before the first line is written.
        let outcome = try outcome(command, "| true")
        #expect(
            outcome.status == 0 && outcome.errors.split(separator: "\n").allSatisfy { !$0.contains("error") },
            "\(outcome)")
        let silent = try self.outcome(command, "> /dev/null 2>&-")
        #expect(silent.status == 0, "\(silent)")
    }

    /// Nobody reading is no reason to pass.
    @Test func aGateStillCounts() throws {
        let path = try Self.work.get().file("int4.tessera")
        #expect(try run("tessera-quantize", Self.bundle.get(), "-o", path).status == 0)
        let diff = "tessera-diff MODEL \(path) -p Hello -n 4"
        #expect(try outcome("\(diff) --max-kl 1e-12", "| true").status == 1)
        #expect(try outcome("\(diff) --max-kl 1e9", "| true").status == 0)
    }

    /// A bundle opened first must not take the number of a stream that was closed: results would be written into it.
    @Test func closedStreamsAreNotTaken() throws {
        let path = try Self.work.get().file("closed.tessera")
        let outcome = try shell(
            "tessera-from-qwen2-vl \(Fixtures.path("demo-qwen2-vl")) -o \(path) <&- >&- 2>&-; echo $?")
        #expect(outcome.output == "4\n")
        #expect(try readFile(path) == readFile(Self.bundle.get()))
    }
}
