import Storage
import TestSupport
import Testing

@Suite struct FileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func aChangedFileIsNoticed() throws {
        let path = directory.file("a")
        try putFile(path, [1, 2, 3])
        let file = try MappedFile(path)
        #expect(throws: Never.self) { try file.identity.checkUnchanged() }
        let changes: [() throws -> Void] = [
            { try OutputFile(resuming: path).write([9], at: 1) },
            { try OutputFile(resuming: path).truncate(to: 2) },
            { try writeFile(path, [1, 2, 3]) },
            { try Path.remove(path) },
        ]
        for change in changes {
            let identity = try MappedFile(path).identity
            // Times of files are kept in ticks of some milliseconds.
            pause()
            try change()
            let failure = #expect(throws: Failure.self) { try identity.checkUnchanged() }
            #expect(failure?.kind == .io && failure?.message == "changed while in use")
        }
    }

    private func pause() {
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(20)
        while clock.now < end {}
    }

    @Test func anOutputIsCheckedAgain() throws {
        let path = directory.file("out")
        let place = try OutputPath(path, inputs: [])
        try putFile(path, [1])
        #expect(throws: Failure.self) { try writeFile(place, [2]) }
        #expect(try readFile(path) == [1])
        #expect(try Path.list(directory.path) == ["out"])
        try writeFile(OutputPath(path, replacing: true, inputs: []), [2])
        #expect(try readFile(path) == [2])
    }

    @Test func zstdBombsAreRefused() throws {
        let zeros = try Zstd.compress([UInt8](repeating: 0, count: 32 << 20))
        let failure = #expect(throws: Failure.self) {
            try zeros.withBytes { (bytes) throws(Failure) in try Zstd.decompress(bytes, limit: 64 << 20) }
        }
        #expect(failure?.kind == .limit && failure?.message.contains("1000 times") == true)
        let few = try Zstd.compress([UInt8](repeating: 0, count: 1 << 20))
        #expect(
            try few.withBytes { (bytes) throws(Failure) in try Zstd.decompress(bytes, limit: 1 << 20) }.count
                == 1 << 20)
    }
}
