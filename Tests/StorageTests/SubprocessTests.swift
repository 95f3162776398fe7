import Glibc
import Storage
import TestSupport
import Testing

@Suite struct SubprocessTests {
    private func shell(_ script: String) throws -> Subprocess {
        try #require(try Subprocess("sh", ["-c", script]))
    }

    @Test func outputIsRead() throws {
        let process = try shell(#"printf '%s|' "$0" 'a  b'; cat"#)
        #expect(String(decoding: try process.readAll(limit: 100), as: UTF8.self) == "sh|a  b|")
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
        #expect(try process.readAll(limit: 100) == Array("x\n".utf8))
        let failure = #expect(throws: Failure.self) { try process.finish() }
        #expect(failure?.kind == .badInput)
        #expect(failure?.message.hasPrefix("sh failed with status 7: ") == true)
        #expect(failure?.message.hasSuffix("; bad") == true)
        #expect((failure?.message.count ?? 0) < 300)
    }

    @Test func signalsAreFailures() throws {
        let process = try shell("kill -9 $$")
        #expect(try process.readAll(limit: 100).isEmpty)
        let failure = #expect(throws: Failure.self) { try process.finish() }
        #expect(failure?.message == "sh failed with signal 9")
    }

    @Test func outputIsLimited() throws {
        let process = try shell("yes")
        let failure = #expect(throws: Failure.self) { _ = try process.readAll(limit: 1 << 17) }
        #expect(failure?.kind == .limit)
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
