import Storage
import Testing

@testable import Checkpoints

@Suite struct ZipArchiveTests {
    let folder: TorchFolder

    init() throws { folder = try TorchFolder() }

    private func refuses(
        _ part: String, at place: String?, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout ZipBytes) -> Void
    ) throws {
        var zip = ZipBytes(pickle: PickleBytes.one())
        change(&zip)
        try folder.refuses(zip.bytes, at: place, part, sourceLocation: sourceLocation)
    }

    private func accepts(_ change: (inout ZipBytes) -> Void) throws {
        var zip = ZipBytes(pickle: PickleBytes.one())
        change(&zip)
        #expect(try folder.open(zip.bytes).tensors.map { Array($0.data.bytes) } == [Array(0..<32)])
    }

    @Test func soundOnes() throws {
        try accepts { _ in }
        try accepts { $0.comment = Array("a comment, PK\u{5}\u{6} in it".utf8) }
        try accepts { $0.comment = [UInt8](repeating: 1, count: 0xFFFF) }
        try accepts { $0.hasZip64End = true }
        try accepts { for index in 0..<3 { $0.entries[index].isWide = true } }
        try accepts { $0.entries.append(.init("model/.data/", [])) }
        // A size that follows the entry: the local header says 0.
        try accepts {
            $0.entries[1].flags = 0x0808
            $0.entries[1].localSize = 0
        }
    }

    @Test func entriesThatAreNotPlain() throws {
        try refuses("compressed (method 8)", at: "zip entry 1, 'model/data/0'") { $0.entries[1].method = 8 }
        for flag in [1, 1 << 6, 1 << 13] as [UInt16] {
            try refuses("is encrypted", at: "zip entry 1, 'model/data/0'") { $0.entries[1].flags = flag }
        }
        try refuses("two different sizes", at: "zip entry 1, 'model/data/0'") {
            $0.entries[1].packedSize = 31
        }
        try refuses("another part", at: "zip entry 1, 'model/data/0'") { $0.entries[1].disk = 1 }
        try refuses("control characters", at: "zip entry 1") { $0.entries[1].name = "model/\u{1B}[2J" }
        try refuses("control characters", at: "zip entry 1") { $0.entries[1].name = "model/\0" }
        try refuses("a name of 4097 bytes", at: "zip entry 1") {
            $0.entries[1].name = String(repeating: "n", count: 4097)
        }
    }

    @Test func entriesThatLieElsewhere() throws {
        try refuses("has 4096 bytes, of which only", at: "zip entry 'model/data/0'") {
            $0.entries[1].size = 4096
            $0.entries[1].localSize = 4096
        }
        for offset in [1_000_000, UInt32.max - 1] {
            try refuses("lies at byte \(offset)", at: "zip entry 'model/data/0'") {
                $0.entries[1].offset = offset
            }
        }
        try refuses("said to be large, but has no Zip64 field", at: "zip entry 1") {
            $0.entries[1].offset = .max
        }
        try refuses("has no local header", at: "zip entry 'model/data/0'") { $0.entries[1].offset = 1 }
        try refuses("overlaps entry 'model/data/0'", at: "zip entry 'model/version'") {
            $0.entries[1].size = 60
            $0.entries[1].localSize = 60
        }
    }

    @Test func entriesOfOneName() throws {
        try refuses("is there twice", at: "zip entry 'model/data/0'") { $0.entries.append($0.entries[1]) }
        try refuses("described differently", at: "zip entry 'model/data/1'") {
            var again = $0.entries[1]
            (again.name, again.offset) = ("model/data/1", UInt32(30 + 14 + $0.entries[0].data.count))
            $0.entries.append(again)
        }
    }

    @Test func localHeadersThatDisagree() throws {
        let place = "zip entry 'model/data/0'"
        try refuses("described differently", at: place) { $0.entries[1].localName = "model/data/1" }
        try refuses("described differently", at: place) { $0.entries[1].localMethod = 8 }
        try refuses("described differently", at: place) { $0.entries[1].localFlags = 1 }
        try refuses("another size", at: place) { $0.entries[1].localSize = 31 }
        try refuses("another size", at: place) { $0.entries[1].localSize = 0 }
        try refuses("another size", at: place) {
            $0.entries[1].flags = 8
            $0.entries[1].localSize = 31
        }
    }

    /// Bytes are compared with their check sums while the whole file is digested, the pickle before it is read.
    @Test func checkSums() throws {
        var zip = ZipBytes(pickle: PickleBytes.one())
        for index in zip.entries.indices {
            var sum = CRC32()
            zip.entries[index].data.withUnsafeBytes { sum.update($0) }
            zip.entries[index].checksum = sum.value
        }
        func digest(_ zip: ZipBytes) throws {
            let file = try folder.open(zip.bytes)
            _ = try SourceFile(file.file.identity, records: file.records).digest()
        }
        #expect(throws: Never.self) { try digest(zip) }
        for (index, name) in [(1, "model/data/0"), (2, "model/version")] {
            var damaged = zip
            damaged.entries[index].data[1] ^= 4
            let failure = #expect(throws: Failure.self) { try digest(damaged) }
            #expect(failure?.kind == .badInput && failure?.place == "zip entry '\(name)'")
            #expect(failure?.message.contains("check sum") == true)
        }
        var pickle = zip
        pickle.entries[0].checksum ^= 1
        try folder.refuses(pickle.bytes, at: "zip entry 'model/data.pkl'", "check sum")
        // Sums that are 0 everywhere were not computed; one that is 0 alone is wrong.
        #expect(throws: Never.self) { try digest(ZipBytes(pickle: PickleBytes.one())) }
        var partial = zip
        partial.entries[1].checksum = 0
        #expect(throws: Failure.self) { try digest(partial) }
        // The sum follows the bytes, and the local header may say 0.
        for index in zip.entries.indices {
            zip.entries[index].flags = 0x0808
            zip.entries[index].localChecksum = 0
        }
        #expect(throws: Never.self) { try digest(zip) }
        zip.entries[1].flags = 0
        try folder.refuses(zip.bytes, at: "zip entry 'model/data/0'", "another check sum")
    }

    /// Chunks end anywhere, and records lie across them.
    @Test func checkSumsOfPieces() throws {
        var zip = ZipBytes(pickle: PickleBytes.one())
        zip.entries.append(.init("model/data/1", (0..<1000).map { UInt8(truncatingIfNeeded: $0) }))
        for index in zip.entries.indices {
            var sum = CRC32()
            zip.entries[index].data.withUnsafeBytes { sum.update($0) }
            zip.entries[index].checksum = sum.value
        }
        let file = try folder.open(zip.bytes)
        for step in [1, 7, 64, 5000] {
            var checks = ZipRecordChecks(file.records)
            for start in stride(from: 0, to: file.file.bytes.count, by: step) {
                let range = start..<min(start + step, file.file.bytes.count)
                try checks.add(UnsafeRawBufferPointer(rebasing: file.file.bytes[range]), at: range)
            }
        }
    }

    @Test func endsThatCannotBe() throws {
        try refuses("claims 60000 entries", at: nil) { $0.count = 60000 }
        try refuses("bytes more than its entries take", at: nil) { $0.count = 2 }
        try refuses("is cut short", at: "zip entry 3") {
            $0.entries[0].name = String(repeating: "a", count: 200)
            $0.count = 4
        }
        try refuses("several parts", at: nil) { $0.disk = 1 }
        let sound = ZipBytes(pickle: PickleBytes.one()).bytes
        try folder.refuses(sound + [0], at: nil, "no end record")
        let broken = sound.replacing([0x50, 0x4B, 1, 2], with: [0x50, 0x4B, 1, 3], maxReplacements: 1)
        try folder.refuses(broken, at: "zip entry 0", "is no entry")
        try folder.refuses([0] + sound, at: nil, "do not end at byte")
        try refuses("do not end at byte", at: nil) {
            $0.hasZip64End = true
            $0.directoryOffset = .max
        }
        try refuses("claims 1152921504606846976 entries", at: nil) {
            $0.hasZip64End = true
            $0.count = 1 << 60
        }
    }

    @Test func everyTruncationIsRefused() throws {
        for hasZip64End in [false, true] {
            var zip = ZipBytes(pickle: PickleBytes.one())
            zip.hasZip64End = hasZip64End
            let whole = zip.bytes
            for length in 0..<whole.count {
                try folder.refuses(Array(whole.prefix(length)), at: nil, "no end record of a zip file")
            }
        }
    }
}
