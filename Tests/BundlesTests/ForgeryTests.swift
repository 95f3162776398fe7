import Storage
import TestSupport
import Testing

@testable import Bundles

/// Files made to mislead a reader: all digests right, something else wrong.
@Suite struct ForgeryTests {
    let directory: TemporaryDirectory
    var path: String { directory.file("a.tessera") }

    init() throws { directory = try TemporaryDirectory() }

    /// Writes what `edit` makes of a sound bundle and returns why it is refused; nil when it is read to the end.
    private func refusal(_ edit: (inout ForgedBundle) throws -> Void) throws -> String? {
        var forged = try ForgedBundle()
        try edit(&forged)
        try forged.write(to: path)
        let thrown = try failure { try readEverything(path) }
        #expect(thrown == nil || thrown?.kind == .badInput)
        #expect(thrown == nil || thrown?.file == path)
        return thrown.map { "\($0)" }
    }

    private func expect(_ part: String, _ edit: (inout ForgedBundle) throws -> Void) throws {
        let refusal = try refusal(edit)
        #expect(refusal?.contains(part) == true, "'\(refusal ?? "accepted")' instead of '\(part)'")
    }

    @Test func theUnchangedForgeryIsSound() throws {
        #expect(try refusal { _ in } == nil)
    }

    @Test func versionsAndFeatures() throws {
        try expect("format version 2") { $0.editPage = { $0.replace(at: 8, UInt32(2).bytes) } }
        try expect("format version 0") { $0.editPage = { $0.replace(at: 8, UInt32(0).bytes) } }
        try expect("bits 7, 63") { $0.features = Features(rawValue: 1 << 63 | 128) }
        try expect("feature bits do not match") { $0.features = .groupTiles }
        try expect("feature bits do not match") { $0.features = .zeroPointTiles }
        try expect("feature bits do not match") { $0.features = .upperBitTiles }
        for own in [Features.affineTiles, .upperBitZeroPointTiles, .float4Tiles] {
            try expect("feature bits do not match") { $0.features = Features.known.subtracting(own) }
        }
        try expect("zeros belong") { $0.editPage = { $0[100] = 1 } }
        try expect("zeros belong") { $0.editPage = { $0[4095] = 1 } }
        try expect("claims 63 sections") { $0.editPage = { $0.replace(at: 12, UInt32(63).bytes) } }
        try expect("claims 4294967295 sections") { $0.editPage = { $0.replace(at: 12, UInt32.max.bytes) } }
        try expect("root digest") { $0.editPage = { $0[32] ^= 1 } }
    }

    @Test func sectionTables() throws {
        func edit(_ index: Int, _ change: @escaping (Section) -> Section) -> (inout ForgedBundle) -> Void {
            {
                $0.editSections = { sections in
                    var sections = sections
                    sections[index] = change(sections[index])
                    return sections
                }
            }
        }
        try expect("needed but unknown", edit(1) { $0.with(code: "Xray") })
        try expect("GRPH: is missing", edit(1) { $0.with(code: "xray") })
        try expect("META: appears twice", edit(1) { $0.with(code: "META") })
        try expect("not four letters", edit(1) { $0.with(code: "GR\u{0}H") })
        try expect(
            "not right behind", edit(1) { $0.with(range: $0.range.lowerBound - 64..<$0.range.upperBound) })
        try expect(
            "not right behind",
            edit(2) { $0.with(range: $0.range.lowerBound + 64..<$0.range.upperBound + 64) })
        try expect(
            "not right behind", edit(4) { $0.with(range: $0.range.lowerBound..<$0.range.upperBound + 1) })
        try expect("not right behind", edit(4) { $0.with(range: $0.range.lowerBound..<Int.max) })
        try expect(
            "belong to no section", edit(4) { $0.with(range: $0.range.lowerBound..<$0.range.upperBound - 1) })
        try expect("stored raw", edit(1) { $0.with(codec: .raw, decodedCount: 1) })
        try expect("must not be compressed", edit(0) { $0.with(codec: .zstd) })
        try expect("more than is allowed", edit(1) { $0.with(decodedCount: 1 << 60) })
        try expect("first section is not WGTS", edit(0) { $0.with(code: "note") })
        let table = Format.tableStart
        try expect("unknown way") { $0.editPage = { $0.replace(at: table + 4, UInt32(9).bytes) } }
        try expect("outside the file") { $0.editPage = { $0.replace(at: table + 8, UInt64.max.bytes) } }
        try expect("outside the file") { $0.editPage = { $0.replace(at: table + 16, UInt64(Int.max).bytes) } }
    }

    @Test func anUnknownOptionalSectionIsSkipped() throws {
        #expect(try refusal { $0.extraSection = "note" } == nil)
        try expect("needed but unknown") { $0.extraSection = "Note" }
    }

    @Test func zstdFrames() throws {
        // A frame that claims 2^60 bytes: magic, descriptor for an 8-byte size, window, size, an empty last block.
        let bomb: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xC0, 0x00] + UInt64(1 << 60).bytes + [1, 0, 0]
        try expect("claims to decompress to 1152921504606846976") { $0.graph = bomb }
        try expect("claims to decompress to 1000000 bytes") {
            $0.graph = try Zstd.compress([UInt8](repeating: 32, count: 1_000_000))
        }
        try expect("instead of 3") { $0.graphCount = 3 }
        try expect("not a zstd frame") { $0.graph = [] }
        try expect("not a zstd frame") { $0.graph = Array("no zstd at all".utf8) }
        try expect("not valid JSON") { $0.graph = try Zstd.compress(Array("{]".utf8)) }
        // Little that says much: more bytes than so little may become, or more values than memory should hold.
        let zeros = [UInt8](repeating: UInt8(ascii: " "), count: 64 << 20)
        try expect("more than 1000 times") {
            $0.graph = try Zstd.compress(zeros)
            $0.graphCount = zeros.count
        }
        let values =
            Array("[".utf8) + Array(repeatElement(Array("[],".utf8), count: 1 << 20).joined())
            + Array("0]".utf8)
        try expect("more than 1048576 JSON values") {
            // Ten thousand digits that cannot be compressed much make the frame long enough.
            var state: UInt32 = 1
            let digits = (0..<10_000).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(ascii: "0") + UInt8(state >> 24) % 10
            }
            let text = Array("[\"".utf8) + digits + Array("\",".utf8) + values + Array("]".utf8)
            $0.graph = try Zstd.compress(text)
            $0.graphCount = text.count
        }
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        try expect("not valid JSON") {
            $0.graph = try Zstd.compress(deep)
            $0.graphCount = deep.count
        }
    }

    @Test func directories() throws {
        func entries(_ edit: @escaping (JSON, JSON) throws -> [JSON]) -> (inout ForgedBundle) throws -> Void {
            { forged in
                let sound = forged.directory.array ?? []
                forged.directory = .array(try edit(sound[0], sound[1]))
            }
        }
        let data = [UInt8](repeating: 1, count: 72)[...]
        func entry(_ name: String, _ shape: [Int], _ encoding: String, _ offset: Int, _ length: Int) throws
            -> JSON
        {
            try ForgedBundle.entry(
                name, shape, encoding, offset, length, data.prefix(max(0, min(length, 72))))
        }
        try expect("no JSON array") { $0.directory = "tensors" }
        try expect(
            "overlaps the tensor before it", entries { a, _ in [a, try entry("b", [4], "BF16", 0, 8)] })
        try expect("leaves a gap", entries { _, b in [b] })
        try expect("end at 24 of 72", entries { a, _ in [a] })
        try expect("appears twice", entries { a, _ in [a, try entry("a", [4], "BF16", 64, 8)] })
        try expect("outside the 72", entries { a, _ in [a, try entry("b", [8], "BF16", 64, 16)] })
        try expect("outside the 72", entries { a, _ in [a, try entry("b", [4], "BF16", Int.max, 8)] })
        try expect("outside the 72", entries { a, _ in [a, try entry("b", [1 << 40], "BF16", 64, 1 << 41)] })
        try expect("no offset", entries { a, _ in [a, try entry("b", [4], "BF16", -64, 8)] })
        try expect("takes 8", entries { a, _ in [a, try entry("b", [4], "BF16", 64, 6)] })
        try expect("takes 8", entries { a, _ in [a, try entry("b", [4], "BF16", 64, -8)] })
        try expect("cannot be stored", entries { a, _ in [a, try entry("b", [4], "int4-g32", 64, 8)] })
        try expect("cannot be stored", entries { a, _ in [a, try entry("b", [0], "BF16", 64, 0)] })
        try expect("cannot be stored", entries { a, _ in [a, try entry("b", [1 << 62], "F32", 64, 0)] })
        try expect("no possible shape", entries { a, _ in [a, try entry("b", [1 << 62, 4], "F32", 64, 0)] })
        try expect("no possible shape", entries { a, _ in [a, try entry("b", [-4], "BF16", 64, 8)] })
        try expect("unknown encoding", entries { a, _ in [a, try entry("b", [4], "int2-g32", 64, 8)] })
        try expect("0 bytes; 1 to 1024", entries { a, _ in [a, try entry("", [4], "BF16", 64, 8)] })
        try expect("has no name", entries { a, _ in [a, .null] })
        try expect("has no name", entries { a, _ in [a, .pairs(["name": 7])] })
    }

    /// Whatever a page with right digests says, it is refused or read: never a trap.
    @Test func noiseInTheTable() throws {
        var noise = Noise(7)
        for _ in 0..<2000 {
            let (offset, bytes) = (noise.below(128 + 5 * 64), noise.bytes(1 + noise.below(8)))
            let keepsRoot = noise.below(2) == 0
            var forged = try ForgedBundle()
            forged.editPage = { page in
                page.replace(at: offset, bytes)
                guard keepsRoot else { return }
                let table = page[128..<128 + 5 * 64]
                let rows = stride(from: 128, to: table.endIndex, by: 64)
                let listed = rows.flatMap { Array(page[$0..<$0 + 4]) + Array(page[$0 + 32..<$0 + 64]) }
                page.replace(at: 32, (try? SHA256.digest(listed).bytes) ?? [])
            }
            try forged.write(to: path)
            let kind = try failure { try readEverything(path) }?.kind
            #expect(kind == nil || kind == .badInput || kind == .mismatch)
        }
    }
}
