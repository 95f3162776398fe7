import Storage
import TestSupport
import Testing

@testable import Bundles

/// Files that were once intact: cut short, or with bits flipped.
@Suite struct DamageTests {
    let directory: TemporaryDirectory
    let intact: [UInt8]
    var path: String { directory.file("a.tessera") }

    init() throws {
        directory = try TemporaryDirectory()
        let path = directory.file("intact.tessera")
        try SampleBundle().write(to: path)
        intact = try readFile(path)
    }

    @Test func everyTruncationIsRefused() throws {
        var lengths = Array(stride(from: 0, to: intact.count, by: 97))
        lengths += [1, 7, 8, 63, 64, 127, 128, 4095, 4096, 4097, intact.count - 1]
        for length in lengths {
            try putFile(path, Array(intact.prefix(length)))
            #expect(try failure { _ = try Bundle(path) }?.kind == .badInput, "\(length) bytes")
        }
        try putFile(path, intact + [0])
        #expect(try failure { _ = try Bundle(path) }?.kind == .badInput)
    }

    @Test func everyFlippedBitOfTheHeaderIsRefused() throws {
        try putFile(path, intact)
        let output = try OutputFile(resuming: path)
        for offset in 0..<Format.headerBytes {
            try output.write([intact[offset] ^ 1 << UInt8(offset % 8)], at: offset)
            #expect(try failure { _ = try Bundle(path) }?.kind == .badInput, "byte \(offset)")
            try output.write([intact[offset]], at: offset)
        }
        try readEverything(path)
    }

    @Test func everyFlippedByteBehindItIsFound() throws {
        try putFile(path, intact)
        let output = try OutputFile(resuming: path)
        for offset in Format.headerBytes..<intact.count {
            try output.write([intact[offset] ^ 1 << UInt8(offset % 8)], at: offset)
            let kind = try failure { try readEverything(path) }?.kind
            #expect(kind == .badInput || kind == .mismatch, "byte \(offset)")
            try output.write([intact[offset]], at: offset)
        }
        try readEverything(path)
    }

    @Test func verifyNamesEveryDamagedTensor() throws {
        var bytes = intact
        let ranges = try Bundle(directory.file("intact.tessera")).tensors.map { $0.range }
        for index in [1, 4] { bytes[Format.headerBytes + ranges[index].lowerBound] ^= 0x80 }
        try putFile(path, bytes)
        let bundle = try Bundle(path)
        let damage = try bundle.damage(threads: 2)
        #expect(damage.map(\.part) == ["tensor 'tensor.1'", "tensor 'tensor.4'"])
        #expect(
            damage.map(\.fileRange)
                == [bundle.tensors[1], bundle.tensors[4]].map { bundle.fileRange(of: $0) })
        let thrown = try #require(try failure { try bundle.verify(threads: 1) })
        #expect(thrown.kind == .mismatch)
        #expect(thrown.place == "tensor 'tensor.1'")
        #expect(thrown.message.contains("1 more parts"))
    }

    @Test func saysWhatAForeignFileIs() throws {
        try putFile(path, [UInt8](repeating: 0, count: 5000))
        #expect(try failure { _ = try Bundle(path) }?.message == "was never finished")
        try putFile(path, Array("GGUF".utf8) + [UInt8](repeating: 7, count: 5000))
        #expect(try failure { _ = try Bundle(path) }?.message == "is not a .tessera bundle")
        // CR LF became LF, as in a transfer in text mode.
        try putFile(path, Array(intact[..<4]) + Array(intact[5...]) + [0])
        #expect(try failure { _ = try Bundle(path) }?.message == "was damaged by a transfer in text mode")
        #expect(try failure { _ = try Bundle(directory.path) }?.kind == .badInput)
        #expect(try failure { _ = try Bundle(directory.file("absent")) }?.kind == .io)
    }
}
