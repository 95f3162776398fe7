import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Quantized checkpoints that are not as they should be: refused when they are opened or, where only numbers are wrong, when they
/// are read.
@Suite struct QuantizedErrorTests {
    /// What a fixture is changed into, and a part of what is said of it.
    struct Case: Sendable, CustomStringConvertible {
        let fixture: String
        /// Of the name of the tensor that is changed.
        let suffix: String
        let type: String
        let shape: [Int]
        let bytes: [UInt8]
        let message: String
        var description: String { "\(fixture) \(suffix): \(message)" }

        init(
            _ fixture: String, _ suffix: String, _ type: String, _ shape: [Int], _ bytes: [UInt8],
            _ message: String
        ) {
            (self.fixture, self.suffix, self.type) = (fixture, suffix, type)
            (self.shape, self.bytes, self.message) = (shape, bytes, message)
        }
    }

    private static func zeros(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }
    private static func floats(_ values: Float...) -> [UInt8] {
        values.flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
        }
    }
    private static func state(_ text: String, _ message: String) -> Case {
        let bytes = Array(text.utf8)
        return Case("bnb-nf4-double", "quant_state.bitsandbytes__nf4", "U8", [bytes.count], bytes, message)
    }

    static let states: [Case] = [
        state("{", "bitsandbytes__nf4"), state("{}", "has no shape of two extents"),
        state(#"{"shape":[96,180,1]}"#, "has no shape of two extents"),
        state(#"{"shape":[96,180]}"#, "has no size of blocks"),
        state(#"{"shape":[96,180],"blocksize":0}"#, "has no size of blocks"),
        state(#"{"shape":[96,180],"blocksize":-64}"#, "has no size of blocks"),
        state(#"{"shape":[96,180],"blocksize":64}"#, "does not say what they stand for"),
        state(#"{"shape":[96,180],"blocksize":64,"nested_blocksize":0}"#, "impossible size of nested blocks"),
        state(
            #"{"shape":[96,180],"blocksize":64,"nested_blocksize":8,"nested_offset":0}"#, "instead of [34]"),
        state(#"{"shape":[96,181],"blocksize":64}"#, "codes of 4 bits take"),
        state(#"{"shape":[-96,-180],"blocksize":64}"#, "impossible shape"),
        state(#"{"shape":[4611686018427387904,4],"blocksize":64}"#, "impossible shape"),
        state(#"{"shape":[0,180],"blocksize":64}"#, "impossible shape"),
    ]

    static let cases: [Case] = [
        Case("bnb-nf4", "weight.quant_map", "F32", [15], zeros(60), "instead of [16]"),
        Case("bnb-nf4", "weight.absmax", "F32", [16], zeros(64), "instead of [17]"),
        Case("bnb-nf4", "weight", "U8", [539, 1], zeros(539), "539 bytes where"),
        Case("bnb-int8", "weight_format", "U8", [], [2], "not in the order of rows"),
        Case("bnb-int8", "SCB", "F32", [18], zeros(72), "instead of [19]"),
        Case("mlx-affine4", "scales", "BF16", [20, 2], zeros(80), "does not fit"),
        Case("mlx-affine4", "scales", "BF16", [21, 3], zeros(126), "do not fill 16 words"),
        Case("mlx-affine4", "biases", "BF16", [21, 1], zeros(42), "instead of [21, 2]"),
        Case("mlx-affine4", "weight", "U32", [336], zeros(1344), "does not fit"),
        Case("mlx-nvfp4", "scales", "BF16", [21, 6], zeros(252), "holds BF16 instead of U8"),
        Case("gptq-int3", "qweight", "I32", [13, 32], zeros(1664), "no codes of 3 bits"),
        Case("gptq-int3", "qweight", "I32", [12, 31], zeros(1488), "do not fill words of 32"),
        Case("gptq-planes7", "qzeros", "I32", [2, 6], zeros(48), "instead of [2, 7]"),
        Case("packed-int5", "weight_packed", "I32", [21, 14], zeros(1176), "does not fit"),
        Case("packed-int5", "weight_scale", "BF16", [21, 4], zeros(168), "instead of [21, 3]"),
        Case("nvfp4", "weight_scale", "F8_E4M3", [21, 5], zeros(105), "instead of [21, 6]"),
        Case("nvfp4", "weight_global_scale", "F32", [2], zeros(8), "has shape [2]"),
        Case("nvfp4", "weight_global_scale", "F32", [1], floats(.nan), "is nan"),
        Case("nvfp4", "weight_global_scale", "F32", [1], floats(.infinity), "is inf"),
        Case("mxfp8", "weight_scale", "U8", [21, 2], zeros(42), "instead of [21, 3]"),
        Case("modelopt-awq", "pre_quant_scale", "BF16", [95], zeros(190), "instead of [96]"),
        Case("modelopt-awq", "weight_scale", "F32", [22, 5], zeros(440), "does not divide [22, 96]"),
        Case("modelopt-awq", "weight_scale", "F32", [21, 3], zeros(252), "does not divide [22, 96]"),
        Case("modelopt-nvfp4", "pre_quant_scale", "BF16", [96], zeros(192), "there is no reader for"),
        Case("torchao-int8", "_weight_scale", "F32", [19, 2], zeros(152), "does not divide [19, 45]"),
        Case("torchao-int8", "_weight_zero_point", "I8", [19, 2], zeros(38), "instead of [19, 1]"),
        Case("fp8-exponents", "weight_scale_inv", "F8_E8M0", [2, 1], zeros(2), "instead of [2, 2]"),
        Case("packed-int2", "weight_zero_point", "I32", [2, 3], zeros(24), "said to be symmetric"),
    ]

    static let numbers: [Case] = [
        Case(
            "bnb-nf4", "weight.absmax", "F32", [17], floats(.nan) + zeros(64), "the scale of block 0 is nan"),
        Case(
            "bnb-nf4-double", "weight.nested_absmax", "F32", [2], floats(.infinity, 1), "the scale of block 0"
        ),
        Case(
            "bnb-int8", "SCB", "F32", [19], floats(-.infinity) + zeros(72),
            "the scale of row 0, group 0, is -inf"),
        Case(
            "mlx-affine4", "scales", "BF16", [21, 2], [0x80, 0x7F] + zeros(82),
            "the scale of row 0, group 0, is inf"),
        Case("mlx-affine4", "biases", "BF16", [21, 2], zeros(82) + [0xC0, 0x7F], "row 20, group 1, is nan"),
        Case("mlx-nvfp4", "scales", "U8", [21, 6], [0x7F] + zeros(125), "row 0, group 0, is nan"),
        Case("mxfp4", "weight_scale", "U8", [21, 3], zeros(62) + [0xFF], "row 20, group 2, is nan"),
        Case("mxfp4", "weight_scale", "U8", [21, 3], zeros(62) + [0xFD], "row 20, group 2, is 8.5"),
        Case("nvfp4", "weight_global_scale", "F32", [1], floats(0), "row 0, group 0, is inf"),
        Case(
            "modelopt-awq", "pre_quant_scale", "BF16", [96], [0x80, 0xFF] + zeros(190),
            "factor of column 0 is -inf"),
        Case("fp8-exponents", "weight_scale_inv", "F8_E8M0", [2, 2], [127, 127, 127, 255], "is nan"),
    ]

    /// Opens a fixture with a tensor changed or added.
    private func open(_ item: Case) throws -> StoredWeights {
        let fixture = Fixtures.path("quantized/\(item.fixture)")
        let directory = try TemporaryDirectory()
        let original = try Checkpoint(fixture).tensors.map {
            TestTensor($0.name, $0.type.rawValue, $0.shape.extents, Array($0.data.bytes))
        }
        let module = item.fixture.hasPrefix("mlx") ? "language_model.model.layers" : "model.layers"
        let name = original.first {
            $0.name.hasSuffix("up_proj." + item.suffix) || $0.name.hasSuffix("weight." + item.suffix)
        }?.name
        let changed = TestTensor(
            name ?? "\(module).0.mlp.up_proj.\(item.suffix)", item.type, item.shape, item.bytes)
        try writeSafetensors(
            original.filter { $0.name != changed.name } + [changed], to: directory.file("model.safetensors"))
        return try StoredWeights(
            Checkpoint(directory.path), config: JSON(file: Path.join(fixture, "config.json")))
    }

    private func expect(_ item: Case, _ body: () throws -> Void) {
        let failure = #expect(throws: Failure.self) { try body() }
        #expect(failure?.kind == .badInput)
        #expect(failure.map { "\($0)".contains(item.message) } == true, "\(failure.map { "\($0)" } ?? "")")
    }

    @Test(arguments: states + cases)
    func refusedWhenOpened(item: Case) { expect(item) { _ = try open(item) } }

    @Test(arguments: numbers)
    func refusedWhenRead(item: Case) throws {
        let stored = try open(item)
        expect(item) {
            for weight in stored.weights where weight.shape.rank == 2 {
                guard case .derived(let derived) = weight.form else { continue }
                _ = try derived.bytes(0..<weight.shape.extents[0], columns: weight.shape.extents[1])
            }
        }
    }

    /// Zero scales make zeros, and the largest ones what they stand for.
    @Test func scalesAtTheirEnds() throws {
        for (byte, expected) in [(UInt8(0), Float(0x1p-127)), (254, 0x1p127), (127, 1)] {
            #expect(Float8.power(byte) == expected)
        }
        #expect(Float8.power(255).isNaN && Float8.values[0x7F].isNaN && Float8.values[0xFF].isNaN)
        #expect(Float8.values[0x7E] == 448 && Float8.values[1] == 0x1p-9 && Float8.values[8] == 0x1p-6)
    }

    /// Groups of the scale 0 are their biases.
    @Test func scalesOfZero() throws {
        let zero = Case("mlx-affine4", "scales", "BF16", [21, 2], Self.zeros(84), "")
        let name = "language_model.model.layers.0.mlp.up_proj.biases"
        let biases = try #require(try Checkpoint(Fixtures.path("quantized/mlx-affine4"))[name])
        let weight = try #require(try open(zero).weights.first { $0.shape.rank == 2 })
        guard case .derived(let derived) = weight.form else {
            Issue.record("'\(weight.name)' is plain")
            return
        }
        let bytes = try derived.bytes(0..<21, columns: 128)
        let read = bytes.withUnsafeBytes { bytes in
            (0..<21 * 128).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        #expect(read == (0..<21 * 128).map { biases.element($0 / 64) })
    }
}
