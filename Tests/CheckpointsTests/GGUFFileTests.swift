import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct GGUFFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let sound = GGUFBytes(
        [.init("general.type", "thing"), .init("names", ["one", "", "three"]), .init("number", 77)],
        [.init("a", [3, 2], [1, 2, 3, 4, 5, 6]), .init("b", [5], [7, 8, 9, 10, 11])])

    private func open(_ bytes: [UInt8], kind: String = "thing") throws -> GGUFFile {
        try putFile(directory.file("f.gguf"), bytes)
        return try GGUFFile(directory.file("f.gguf"), kind: kind)
    }

    private func refuses(
        _ words: String, at place: String?, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout GGUFBytes) -> Void
    ) throws {
        var file = Self.sound
        change(&file)
        do {
            _ = try open(file.bytes)
            Issue.record("was accepted", sourceLocation: sourceLocation)
        } catch let failure as Failure {
            #expect(failure.kind == .badInput, sourceLocation: sourceLocation)
            #expect(failure.file == directory.file("f.gguf"), sourceLocation: sourceLocation)
            #expect(failure.message.contains(words), "\(failure)", sourceLocation: sourceLocation)
            #expect(failure.place == place, "\(failure)", sourceLocation: sourceLocation)
        }
    }

    private func accepts(_ change: (inout GGUFBytes) -> Void) throws {
        var file = Self.sound
        change(&file)
        let read = try open(file.bytes)
        #expect(read.tensors.map(\.name) == file.tensors.map(\.name))
        #expect(read.tensors.map { Array($0.data.bytes) } == file.tensors.map(\.data))
        let extents = read.tensors.map { $0.shape.extents.reversed().map(UInt64.init) }
        #expect(extents == file.tensors.map(\.extents))
        #expect(try read.text("general.type") == "thing")
        #expect(try read.texts("names") == ["one", "", "three"])
        #expect(try read.number("number") == 77)
        #expect(
            try read.text("nothing") == nil && read.texts("nothing") == nil && read.number("nothing") == nil)
    }

    @Test func soundOnes() throws {
        try accepts { _ in }
        try accepts { $0.version = 2 }
        for alignment in [1, 8, 256] {
            try accepts {
                $0.alignment = alignment
                $0.values.append(.init("general.alignment", UInt32(alignment)))
            }
        }
        try accepts { $0.tensors = [] }
        try accepts { $0.tensors.append(.init("scalar", [], [4])) }
        try accepts { $0.tensors.append(.init("empty", [0, 3], [])) }
        // Values of every type, alone and in arrays.
        let widths: [UInt32: Int] = [
            0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8,
        ]
        try accepts { file in
            for (type, width) in widths.sorted(by: { $0.key < $1.key }) {
                file.values.append(.init("v\(type)", type, [UInt8](repeating: 1, count: width)))
                let array = little(type) + little(UInt64(3)) + [UInt8](repeating: 1, count: 3 * width)
                file.values.append(.init("a\(type)", 9, array))
            }
        }
    }

    @Test func theHeader() throws {
        try refuses("does not begin as", at: nil) { $0.magic = Array("GGML".utf8) }
        for version in [0, 1, 4] as [UInt32] {
            try refuses("has version \(version)", at: "header") { $0.version = version }
        }
        try refuses("is big-endian", at: "header") { $0.version = UInt32(3).byteSwapped }
        for count in [1 << 40, .max] as [UInt64] {
            try refuses("claims \(count) tensors", at: "header") { $0.tensorCount = count }
            try refuses("and \(count) values", at: "header") { $0.valueCount = count }
        }
        try refuses("is a GGUF file of type 'model', no thing", at: nil) {
            $0.values[0] = .init("general.type", "model")
        }
        try refuses("without a type", at: nil) { $0.values.removeFirst() }
        try refuses("is no text", at: "metadata 'general.type'") { $0.values[0] = .init("general.type", 3) }
        try refuses("control characters", at: "metadata 'general.type'") {
            $0.values[0] = .init("general.type", "thing\u{1B}[2J")
        }
        try refuses("the last 32 bytes belong to no tensor", at: nil) {
            $0.rest = [UInt8](repeating: 0, count: 32)
        }
    }

    @Test func values() throws {
        func last(_ words: String, _ type: UInt32, _ bytes: [UInt8]) throws {
            try refuses(words, at: "metadata 'x'") {
                $0.values.append(.init("x", type, bytes))
                $0.tensors = []
            }
        }
        try last("unknown type 13", 13, [])
        try last("unknown type 13", 9, little(UInt32(13)) + little(UInt64(1)))
        try last("an array of arrays", 9, little(UInt32(9)) + little(UInt64(1)))
        for count in [1, 1 << 61, .max] as [UInt64] {
            try last("claims \(count) elements", 9, little(UInt32(12)) + little(count))
            try last("claims \(count) elements", 9, little(UInt32(8)) + little(count))
        }
        try last("is cut short", 8, little(UInt64(5)) + Array("four".utf8))
        try last("is cut short", 8, little(UInt64(1) << 62))
        try last("claims a text of \(UInt64.max) bytes", 8, little(UInt64.max))
        try last(
            "is cut short", 9, little(UInt32(8)) + little(UInt64(2)) + little(UInt64(8)) + little(UInt64(8)))
        try refuses("is given twice", at: "metadata 'names'") { $0.values.append(.init("names", 1)) }
        try refuses("a name of 0 bytes", at: "metadata 1") { $0.values[1].name = "" }
        try refuses("control characters", at: "metadata 1") { $0.values[1].name = "a\nb" }
        try refuses("a name of 1025 bytes", at: "metadata 1") {
            $0.values[1].name = String(repeating: "n", count: 1025)
        }
        for alignment in [0, 3, 96] as [UInt32] {
            try refuses("is \(alignment), no power of two", at: "metadata 'general.alignment'") {
                $0.values.append(.init("general.alignment", alignment))
            }
        }
        try refuses("is no number of 32 bits", at: "metadata 'general.alignment'") {
            $0.values.append(.init("general.alignment", 10, little(UInt64(32))))
        }
        // What is never asked for may be of any type; what is asked for may not.
        let file = try open(Self.sound.bytes)
        #expect(throws: Failure.self) { try file.number("names") }
        #expect(throws: Failure.self) { try file.texts("number") }
        var latin = Self.sound
        latin.values.append(.init("latin", 8, little(UInt64(1)) + [0xE9]))
        let odd = try open(latin.bytes)
        #expect(throws: Failure.self) { try odd.text("latin") }
    }

    @Test func tensors() throws {
        try refuses("has 5 extents", at: "tensor 'b'") { $0.tensors[1].extents = [1, 1, 1, 1, 5] }
        try refuses("impossible extent", at: "tensor 'b'") { $0.tensors[1].extents = [1 << 63] }
        try refuses("impossible shape", at: "tensor 'b'") { $0.tensors[1].extents = [1 << 40, 1 << 40] }
        try refuses("impossible shape", at: "tensor 'b'") { $0.tensors[1].extents = [1 << 62] }
        for type in [4, 31, .max] as [UInt32] {
            try refuses("elements of type \(type), which", at: "tensor 'b'") { $0.tensors[1].type = type }
        }
        for (type, name) in [(16, "IQ2_XXS"), (29, "IQ1_M"), (34, "TQ1_0"), (40, "NVFP4")]
            as [(UInt32, String)]
        {
            try refuses("elements of type \(name) (\(type)), which", at: "tensor 'b'") {
                $0.tensors[1].type = type
            }
        }
        for (type, elements) in [(8, 32), (14, 256), (39, 32)] as [(UInt32, UInt64)] {
            try refuses("no whole blocks of \(elements)", at: "tensor 'b'") {
                $0.tensors[1].type = type
                $0.tensors[1].extents = [elements + 16, 2]
            }
            try refuses("of which 32 are there", at: "tensor 'b'") {
                $0.tensors[1].type = type
                $0.tensors[1].extents = [elements, 2]
            }
            try refuses("impossible shape", at: "tensor 'b'") {
                $0.tensors[1].type = type
                $0.tensors[1].extents = [elements, 1 << 60]
            }
        }
        try refuses("is given twice", at: "tensor 'a'") { $0.tensors[1].name = "a" }
        try refuses("a name of 0 bytes", at: "tensor 1") { $0.tensors[1].name = "" }
        for offset in [0, 16, 31, 64, .max] as [UInt64] {
            try refuses("lies at byte \(offset) of the data", at: "tensor 'b'") {
                $0.tensors[1].offset = offset
            }
        }
        try refuses("takes \(4 << 40) bytes, of which 32 are there", at: "tensor 'b'") {
            $0.tensors[1].extents = [1 << 40]
        }
        try refuses("those before it end at 0", at: "tensor 'a'") { $0.tensors[0].offset = 32 }
    }

    /// A header that never ends is read up to a limit.
    @Test func endlessHeaders() throws {
        var file = Self.sound
        file.values.append(.init("x", 9, little(UInt32(8)) + little(UInt64(1 << 29))))
        file.tensors = []
        let path = directory.file("large.gguf")
        let output = try OutputFile(creating: path)
        try output.write(file.bytes, at: 0)
        try output.write([0], at: 1 << 33)
        let failure = #expect(throws: Failure.self) { try GGUFFile(path, kind: "thing") }
        #expect(failure?.kind == .badInput && failure?.message.contains("claims \(1 << 29) elements") == true)
    }

    @Test func whateverIsCutShort() throws {
        let whole = Self.sound.bytes
        // All that the last tensor may lack is what would align the next.
        for length in 0..<whole.count - 12 {
            let failure = #expect(throws: Failure.self) { try open(Array(whole.prefix(length))) }
            #expect(failure?.kind == .badInput)
        }
        #expect(try open(Array(whole.prefix(whole.count - 12))).tensors.count == 2)
    }
}
