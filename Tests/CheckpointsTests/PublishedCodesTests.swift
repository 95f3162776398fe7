import Checkpoints
import GroupFormats
import Storage
import TestSupport
import Testing

/// Published codes in a bundle's tiles.
@Suite struct PublishedCodesTests {
    /// The encoding that holds a fixture's codes, or why there is none.
    private static let expected: [(fixture: String, form: String)] = [
        ("gptq-int4", "int4-g32-f16"), ("gptq-int8", "int8-g64-f16"), ("gptq-row", "int4-g128-f16"),
        ("gptq-v1-zeros", "int4-g32-f16"), ("gptq-v2", "int4-g32-f16"), ("awq", "int4-g64-f16"),
        ("packed-int4", "int4-g32-f16"), ("packed-int4-asymmetric", "int4-g32-f16"),
        ("packed-int8-row", "int8-g64-f16"), ("bytes", "int8-g64-f16"),
        ("bytes-symmetric", "int8-g64-f16"),
        ("gptq-desc-act", "their columns are in the order of the activations"),
        ("packed-int4-order", "their columns are in the order of the activations"),
        ("fp8-channel", "they are 8-bit floats"), ("fp8-tensor", "they are 8-bit floats"),
        ("fp8-blocks", "they are 8-bit floats"),
    ]

    private static let exact = expected.map(\.fixture).filter { fixture in
        expected.contains { $0.fixture == fixture && $0.form.hasSuffix("-f16") }
    }

    private func text(_ packed: PackedWeight) -> String {
        switch packed.published?.form {
        case nil: "no codes"
        case .exact(let encoding): "\(encoding)"
        case .floats(let reason): reason
        }
    }

    @Test func everyFixtureHasItsForm() throws {
        #expect(
            PublishedCodesTests.expected.map(\.fixture).sorted() == PackedFixture.all.map(\.name).sorted())
        for (fixture, form) in PublishedCodesTests.expected {
            #expect(try text(PackedFixture(fixture).packed()) == form, "\(fixture)")
        }
        #expect(try PackedFixture("gptq-int4").packed().published?.kind == "GPTQ codes")
        #expect(try PackedFixture("awq").packed().published?.kind == "AWQ codes")
    }

    private func geometry(_ packed: PackedWeight, rows: Int) throws -> PublishedGeometry {
        guard case .exact(let encoding)? = packed.published?.form else { throw Failure.badInput("no tiles") }
        let shape = try #require(Shape.matrix(rows, packed.shape.extents[1]))
        return try #require(PublishedGeometry(encoding, shape))
    }

    /// The tiles of rows, in memory that held something else.
    private func tiles(_ packed: PackedWeight, _ rows: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xAA, count: try geometry(packed, rows: rows.count).byteCount)
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(Failure) in try packed.writeTiles(rows, into: buffer) }
        }
        try result.get()
        return bytes
    }

    @Test(arguments: exact)
    func tilesReadAsWhatTheCodesStandFor(fixture: String) throws {
        let packed = try PackedFixture(fixture).packed()
        let (rows, columns) = (packed.shape.extents[0], packed.shape.extents[1])
        for range in [0..<rows, 0..<1, 3..<5, 0..<min(17, rows), rows - 3..<rows] {
            let geometry = try geometry(packed, rows: range.count)
            let bytes = try tiles(packed, range)
            let expected = try packed.floats(range)
            for row in 0..<range.count {
                var floats = [Float](repeating: .nan, count: columns)
                bytes.withUnsafeBytes { bytes in
                    floats.withUnsafeMutableBufferPointer { geometry.read(row: row, of: bytes, into: $0) }
                }
                let wanted = expected[row * columns..<(row + 1) * columns]
                #expect(floats.map(\.bitPattern) == wanted.map(\.bitPattern), "row \(row) of \(range)")
            }
        }
    }

    /// A panel begins at a multiple of 16: its tiles are those of the whole.
    @Test(arguments: exact)
    func panelsMakeTheSameTiles(fixture: String) throws {
        let packed = try PackedFixture(fixture).packed()
        let rows = packed.shape.extents[0]
        let panels = try stride(from: 0, to: rows, by: 16).flatMap {
            try tiles(packed, $0..<min($0 + 16, rows))
        }
        #expect(try tiles(packed, 0..<rows) == panels)
    }

    /// What lies behind N and K is zero.
    @Test func paddingIsZero() throws {
        let packed = try PackedFixture("bytes").packed()
        let bytes = try tiles(packed, 0..<19)
        let geometry = try geometry(packed, rows: 19)
        #expect(geometry.tileBytes == 64 + 1024 && bytes.count == 2 * geometry.tileBytes)
        let tile = Array(bytes[geometry.tileBytes...])
        for row in 3..<16 {
            #expect(tile[2 * row] == 0 && tile[2 * row + 1] == 0 && tile[32 + row] == 0)
            for step in 0..<16 {
                #expect(tile[64 + step * 64 + 4 * row..<64 + step * 64 + 4 * row + 4] == [0, 0, 0, 0])
            }
        }
        for column in 45..<64 {
            for row in 0..<16 { #expect(tile[64 + column / 4 * 64 + 4 * row + column % 4] == 0) }
        }
    }

    /// A copy of a fixture with tensors changed, by the suffix of their names.
    private func changed(
        _ fixture: String, config: JSON? = nil, without absent: String? = nil, _ tensors: [TestTensor]
    ) throws -> PackedWeight {
        let directory = try TemporaryDirectory()
        let original = PackedFixture(fixture)
        let replaced = tensors.map(\.name) + [absent ?? ""]
        let kept = try readSafetensors(Path.join(original.directory, "model.safetensors")).filter { tensor in
            !replaced.contains(tensor.name)
        }
        try writeSafetensors(kept + tensors, to: directory.file("model.safetensors"))
        let json =
            try config ?? JSON(file: Path.join(original.directory, "config.json"))["quantization_config"]
        let weights = try StoredWeights(
            Checkpoint(directory.path), config: .pairs(["quantization_config": #require(json)])
        ).weights
        for weight in weights {
            if case .derived(let derived as PackedWeight) = weight.form { return derived }
        }
        throw Failure.badInput("has no packed weight")
    }

    private let module = "model.layers.0.mlp.up_proj"

    private func scales(_ suffix: String, _ shape: [Int], _ type: String, _ bits: UInt16) -> TestTensor {
        let count = shape.reduce(1, *)
        let plain = [UInt8](repeating: 0, count: 2 * count - 2)
        return TestTensor(
            "\(module).\(suffix)", type, shape,
            plain + [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)])
    }

    /// Bfloat16 reaches farther than float16: 2⁻²⁴ and 65280 fit, 2⁻²⁵, 3·2⁻²⁵, 65536 do not.
    @Test(arguments: [
        (UInt16(0x3380), true), (0x477F, true), (0x3300, false), (0x33C0, false), (0x4780, false),
        (0x0001, false), (0x8000, true),
    ])
    func scalesThatFloat16DoesNotHold(bits: UInt16, fits: Bool) throws {
        let packed = try changed("packed-int4", [scales("weight_scale", [21, 3], "BF16", bits)])
        #expect(text(packed) == (fits ? "int4-g32-f16" : "float16 does not hold their scales"))
    }

    @Test func groupsThatNoTileHas() throws {
        let config = try JSON(file: Path.join(PackedFixture("gptq-int4").directory, "config.json"))
        let packed = try changed(
            "gptq-int4", config: #require(config["quantization_config"]).setting("group_size", to: 8),
            without: "\(module).g_idx",
            [
                TestTensor("\(module).qzeros", "I32", [16, 4], [UInt8](repeating: 0, count: 256)),
                scales("scales", [16, 32], "F16", 0),
            ])
        #expect(text(packed) == "groups of 8 do not fit tiles")
    }

    @Test func aScaleThatIsNoNumber() throws {
        for bits: UInt16 in [0x7E00, 0x7C00, 0xFC00] {
            let packed = try changed("gptq-int4", [scales("scales", [4, 32], "F16", bits)])
            let error = #expect(throws: Failure.self) { try tiles(packed, 16..<32) }
            #expect(error?.kind == .badInput)
            #expect(error?.message.contains("the scale of row 31, group 3") == true)
            _ = try tiles(packed, 0..<16)
        }
    }
}
