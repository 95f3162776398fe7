import Glibc
import Storage
import TestSupport
import Testing

@Suite struct SubprocessTests {
    private func shell(_ script: String) throws -> Subprocess {
        try #require(try Subprocess("sh", ["-c", script]))
    }

    private func lines(_ process: Subprocess, limit: Int = 100) throws -> [String] {
        var lines: [String] = []
        try process.forEachLine(limit: limit) { lines.append(String(decoding: $0, as: UTF8.self)) }
        return lines
    }

    @Test func outputIsRead() throws {
        let process = try shell(#"printf '%s|' "$0" 'a  b'; cat"#)
        #expect(try lines(process) == ["sh|a  b|"])
        try process.finish()
    }

    @Test func nothingIsStartedForAnUnknownName() throws {
        #expect(try Subprocess("there-is-no-such-program", []) == nil)
    }

    /// What it complained about last is told, and a flood of it blocks nobody.
    @Test func complaintsAreTold() throws {
        let process = try shell(
            "i=0; while [ $i -lt 5000 ]; do echo a long line of noise $i >&2; i=$((i+1)); done; echo bad >&2; echo x; exit 7"
        )
        #expect(try lines(process) == ["x"])
        let failure = #expect(throws: Failure.self) { try process.finish() }
        #expect(failure?.kind == .badInput)
        #expect(failure?.message.hasPrefix("sh failed with status 7: ") == true)
        #expect(failure?.message.hasSuffix("; bad") == true)
        #expect((failure?.message.count ?? 0) < 300)
    }

    @Test func signalsAreFailures() throws {
        let process = try shell("kill -9 $$")
        #expect(try lines(process).isEmpty)
        let failure = #expect(throws: Failure.self) { try process.finish() }
        #expect(failure?.message == "sh failed with signal 9")
    }

    /// Lines are whole wherever reading stopped, and what is too much of one is dropped.
    @Test func linesAreLimited() throws {
        let many = try lines(
            shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; printf end"))
        #expect(many == (0..<20000).map { "line \($0)" } + ["end"])
        let long = try lines(shell("head -c 300000 /dev/zero | tr '\\0' a; echo; echo; echo b"), limit: 5)
        #expect(long == ["aaaaa", "", "b"])
    }

    /// A program nobody listens to any more is ended.
    @Test func itEndsWithItsLastReference() throws {
        var process: Subprocess? = try shell("echo $$; exec sleep 1000")
        var text: [UInt8] = []
        var byte: UInt8 = 0
        while try withUnsafeMutableBytes(of: &byte, { try process?.read(into: $0) }) == 1, byte != 10 {
            text.append(byte)
        }
        let id = try #require(Int32(String(decoding: text, as: UTF8.self)))
        #expect(kill(id, 0) == 0)
        process = nil
        #expect(kill(id, 0) == -1)
    }
}
