import CKernels
import GroupFormats
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Blocks of GGUF files become the floats that gguf's own dequantizer makes of them.
@Suite struct GGUFBlockTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let fixture = Result { try GGUFFile(Fixtures.path("gguf/blocks.gguf")) }
    private static let expected = Result {
        try readSafetensors(Fixtures.path("gguf/expected.safetensors"))
    }

    private static let kinds = [
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
        "MXFP4",
    ]

    private func bytes(_ weight: StoredWeight, _ rows: Range<Int>) throws -> [UInt8] {
        guard case .derived(let derived) = weight.form else {
            Issue.record("\(weight.name) is plain")
            return []
        }
        let out = UnsafeMutableRawBufferPointer.allocate(
            byteCount: rows.count * derived.rowLength * derived.type.width, alignment: 8)
        defer { out.deallocate() }
        out.initializeMemory(as: UInt8.self, repeating: 0xAA)
        try derived.readRows(rows, into: out)
        return Array(out)
    }

    private func tensor(_ name: String) throws -> GGUFTensor {
        try #require(try Self.fixture.get().tensors.first { $0.name == name })
    }

    @Test(arguments: kinds)
    func everyBitIsAsInTheReference(kind: String) throws {
        let tensor = try tensor(kind)
        #expect(tensor.type.name == kind)
        let weight = try StoredWeight("w", of: [tensor])
        #expect(weight.name == "w" && weight.sources == [kind] && weight.type == .float32)
        let reference = try #require(try Self.expected.get().first { $0.name == kind })
        #expect(weight.shape.extents == reference.shape)
        #expect(try bytes(weight, 0..<3) == reference.bytes)
        // Some rows are those rows.
        let rowBytes = reference.bytes.count / 3
        #expect(try bytes(weight, 1..<2) == Array(reference.bytes[rowBytes..<2 * rowBytes]))
    }

    /// Kinds of one scale to 32 codes go into tiles, which read as the blocks do; of zeros the sign is not compared.
    @Test(arguments: kinds)
    func tilesReadAsTheBlocks(kind: String) throws {
        let forms = [
            "Q4_0": "int4-g32-f16", "Q5_0": "int5-g32-f16", "Q8_0": "int8-g32-f16", "Q4_1": "int4-g32-f16b",
            "Q5_1": "int5-g32-f16b", "MXFP4": "mxfp4",
        ]
        let weight = try StoredWeight("w", of: [try tensor(kind)])
        guard case .derived(let derived) = weight.form, case .exact(let encoding)? = derived.published?.form
        else {
            #expect(forms[kind] == nil)
            return
        }
        #expect("\(encoding)" == forms[kind])
        let columns = derived.rowLength
        for range in [0..<3, 1..<2, 2..<3] {
            let geometry = try #require(
                Shape.matrix(range.count, columns).flatMap { PublishedGeometry(encoding, $0) })
            var tiles = [UInt8](repeating: 0xAA, count: geometry.byteCount)
            let written = tiles.withUnsafeMutableBytes { buffer in
                Result { () throws(Failure) in try derived.writeTiles(range, into: buffer) }
            }
            try written.get()
            let expected = try floats(weight, range)
            for row in 0..<range.count {
                var read = [Float](repeating: .nan, count: columns)
                tiles.withUnsafeBytes { tiles in
                    read.withUnsafeMutableBufferPointer { geometry.read(row: row, of: tiles, into: $0) }
                }
                #expect(read.elementsEqual(expected[row * columns..<(row + 1) * columns]))
            }
        }
    }

    @Test func theFixtureHasThemAll() throws {
        #expect(try Self.fixture.get().tensors.map(\.name) == Self.kinds)
    }

    /// A NaN or an infinity in a scale or a minimum is refused by row and block.
    @Test(arguments: [
        ("Q4_0", 0), ("Q4_1", 0), ("Q4_1", 2), ("Q5_0", 0), ("Q5_1", 2), ("Q8_0", 0), ("Q2_K", 80),
        ("Q2_K", 82),
        ("Q3_K", 108), ("Q4_K", 0), ("Q4_K", 2), ("Q5_K", 2), ("Q6_K", 208), ("IQ4_NL", 0), ("IQ4_XS", 0),
        ("MXFP4", -1),
    ])
    func scalesThatAreNoNumbers(kind: String, place: Int) throws {
        let tensor = try tensor(kind)
        let number = try #require(kind == "MXFP4" ? 39 : Self.number(of: kind))
        for half in [0x7C00, 0xFC00, 0x7E01] as [UInt16] {
            var data = Array(tensor.data.bytes)
            // The last block.
            let start = data.count - tensor.type.bytes + max(0, place)
            data.replaceSubrange(start..<start + (place < 0 ? 1 : 2), with: place < 0 ? [255] : little(half))
            let file = GGUFBytes(
                [], [.init("t", tensor.shape.extents.reversed().map(UInt64.init), type: number, data)])
            try putFile(directory.file("f.gguf"), file.bytes)
            let weight = try StoredWeight("w", of: GGUFFile(directory.file("f.gguf")).tensors)
            let failure = #expect(throws: Failure.self) { try bytes(weight, 0..<3) }
            let blocks = tensor.shape.extents[1] / tensor.type.elements
            #expect(failure?.kind == .badInput && failure?.place == "tensor 't'")
            #expect(failure?.message.contains("in row 2, block \(blocks - 1)") == true, "\(failure as Any)")
            #expect(try bytes(weight, 0..<1).count == 4 * tensor.shape.extents[1])
        }
    }

    private static func number(of kind: String) -> UInt32? {
        (0..<50).first { BlockType(number: $0)?.name == kind }
    }

    /// Codes, scales and biases taken apart stand for the same floats.
    @Test(arguments: [("Q4_0", 8), ("Q4_1", 0), ("Q5_0", 16), ("Q5_1", 0), ("Q8_0", 128)])
    func codesAreThoseOfTheFloats(kind: String, zero: Int) throws {
        let tensor = try tensor(kind)
        let number = try #require(Self.number(of: kind))
        let (rows, columns) = (tensor.shape.extents[0], tensor.shape.extents[1])
        let count = columns / 32
        var codes = [UInt8](repeating: 0xEE, count: columns * 16)
        var scales = [UInt16](repeating: 0xEEEE, count: count * 16)
        var biases = scales
        tsr_blocks_to_codes(
            tsr_block_kind(number), tensor.data.bytes.bindMemory(to: UInt8.self).baseAddress,
            tensor.data.count / rows,
            rows, count, &codes, &scales, &biases)
        let reference = try #require(try Self.expected.get().first { $0.name == kind }).bytes
        for row in 0..<rows {
            for column in 0..<columns {
                let side = column / 32 * 16 + row
                let code = Float(Int(codes[column * 16 + row]) - zero)
                var value = Float(Float16(bitPattern: scales[side])) * code
                if zero == 0 { value += Float(Float16(bitPattern: biases[side])) }
                let place = 4 * (row * columns + column)
                #expect(little(value.bitPattern) == Array(reference[place..<place + 4]))
            }
        }
        // The places of missing rows are left alone.
        #expect(codes.indices.allSatisfy { $0 % 16 < rows || codes[$0] == 0xEE })
        #expect(scales.indices.allSatisfy { $0 % 16 < rows || scales[$0] == 0xEEEE })
        #expect(zero == 0 || biases.allSatisfy { $0 == 0xEEEE })
    }
}

/// Weights whose parts are stored apart.
extension GGUFBlockTests {
    /// Opens tensors, which are given innermost extent first.
    private func opened(_ tensors: [GGUFBytes.Tensor]) throws -> [GGUFTensor] {
        try putFile(directory.file("p.gguf"), GGUFBytes([], tensors).bytes)
        return try GGUFFile(directory.file("p.gguf")).tensors
    }

    private func floats(_ weight: StoredWeight, _ rows: Range<Int>) throws -> [Float] {
        let bytes = try bytes(weight, rows)
        return bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    @Test func partsBelowEachOther() throws {
        let parts = try opened([
            .init("a", [2, 1], [1, 2]), .init("b", [2, 3], [3, 4, 5, 6, 7, 8]), .init("c", [2, 1], [9, 10]),
        ])
        let weight = try StoredWeight("w", of: parts)
        #expect(weight.shape.extents == [5, 2] && weight.sources == ["a", "b", "c"])
        #expect(try floats(weight, 0..<5) == (1...10).map(Float.init))
        for first in 0..<5 {
            #expect(try floats(weight, first..<5) == (2 * first + 1...10).map(Float.init))
        }
        let vectors = try opened([.init("a", [2], [1, 2]), .init("b", [1], [3])])
        #expect(try floats(StoredWeight("v", of: vectors), 1..<3) == [2, 3])
    }

    /// The frames of a kernel: [2, 1, 2, 2] twice becomes [2, 1, 2, 2, 2].
    @Test func partsAcrossANewAxis() throws {
        let parts = try opened([
            .init("a", [2, 2, 1, 2], [1, 2, 3, 4, 9, 10, 11, 12]),
            .init("b", [2, 2, 1, 2], [5, 6, 7, 8, 13, 14, 15, 16]),
        ])
        let weight = try StoredWeight("w", of: parts, GGUFParts(.across(2)))
        #expect(weight.shape.extents == [2, 1, 2, 2, 2])
        #expect(try floats(weight, 0..<2) == (1...16).map(Float.init))
        #expect(try floats(weight, 1..<2) == (9...16).map(Float.init))
    }

    /// Parts of one type keep it, bit for bit; those of several become float32.
    @Test func partsOfSeveralTypes() throws {
        let halves = [0x3C00, 0x0001, 0xFBFF] as [UInt16]
        let wide = [0x3F80, 0x0001, 0xFF7F] as [UInt16]
        let parts = try opened([
            .init("h", [3, 1], type: 1, halves.flatMap(little)),
            .init("b", [3, 1], type: 30, wide.flatMap(little)),
            .init("f", [3, 1], [1, 2, 3]),
        ])
        let same = try StoredWeight("w", of: [parts[0], parts[0]])
        #expect(same.type == .float16)
        #expect(try bytes(same, 1..<2) == halves.flatMap(little))
        let mixed = try StoredWeight("w", of: parts)
        #expect(mixed.type == .float32)
        let values: [Float] = [
            1, 0x1p-24, -65504, 1, Float(bitPattern: 0x10000), Float(bitPattern: 0xFF7F_0000), 1, 2, 3,
        ]
        #expect(try floats(mixed, 0..<3) == values)
    }

    @Test func partsThatDoNotFit() throws {
        let parts = try opened([
            .init("a", [2, 2], [1, 2, 3, 4]), .init("b", [3, 2], [1, 2, 3, 4, 5, 6]),
            .init("c", [2], [1, 2]),
            .init("i", [2, 2], type: 24, [1, 2, 3, 4]), .init("s", [], [1]),
            .init("e", [5, 1 << 40, 1 << 40, 0], []),
        ])
        for (tensors, arrangement, name) in [
            ([0, 1], .below, "b"), ([0, 2], .below, "c"), ([4, 4], .below, "s"), ([0, 1], .across(1), "b"),
            ([0, 0], .across(2), "a"), ([0, 3], .below, "i"), ([5, 5], .across(1), "e"),
        ] as [([Int], PartArrangement, String)] {
            let failure = #expect(throws: Failure.self) {
                try StoredWeight("w", of: tensors.map { parts[$0] }, GGUFParts(arrangement))
            }
            #expect(failure?.kind == .badInput && failure?.place == "tensor '\(name)'", "\(failure as Any)")
        }
    }
}
