import Checkpoints
import Storage
import TestSupport
import Testing

private let module = "model.layers.0.mlp.up_proj"

/// A packed checkpoint that is not as it should be.
@Suite struct PackedErrorTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Opens `fixture` with its tensors changed: by the suffix of their names.
    private func open(
        _ fixture: String, config: JSON? = nil, without absent: String? = nil,
        with changed: [TestTensor] = []
    ) throws -> [StoredWeight] {
        let original = PackedFixture(fixture)
        let names = changed.map(\.name) + [absent ?? ""].map { "\(module).\($0)" }
        let kept = try Checkpoint(original.directory).tensors.filter { !names.contains($0.name) }
        let tensors = kept.map {
            TestTensor($0.name, $0.type.rawValue, $0.shape.extents, Array($0.data.bytes))
        }
        try writeSafetensors(tensors + changed, to: directory.file("model.safetensors"))
        let json =
            try config ?? JSON(file: Path.join(original.directory, "config.json"))["quantization_config"]
        return try StoredWeights(
            Checkpoint(directory.path), config: .pairs(["quantization_config": #require(json)])
        ).weights
    }

    private func expect(
        _ part: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    )
        rethrows
    {
        do {
            try body()
            Issue.record("accepted, but expected '\(part)'", sourceLocation: sourceLocation)
        } catch let failure as Failure {
            #expect(failure.kind == .badInput, sourceLocation: sourceLocation)
            #expect("\(failure)".contains(part), "\(failure)", sourceLocation: sourceLocation)
        }
    }

    private func zeros(_ suffix: String, _ type: ElementType, _ shape: [Int]) -> TestTensor {
        let bytes = [UInt8](repeating: 0, count: shape.reduce(type.width, *))
        return TestTensor("\(module).\(suffix)", type.rawValue, shape, bytes)
    }

    @Test(arguments: [
        ("gptq-int4", "qzeros"), ("gptq-int4", "scales"), ("gptq-desc-act", "g_idx"), ("awq", "qzeros"),
        ("awq", "scales"), ("packed-int4", "weight_scale"), ("packed-int4", "weight_shape"),
        ("packed-int4-asymmetric", "weight_zero_point"), ("bytes", "weight_zero_point"),
        ("bytes", "weight_scale"), ("fp8-channel", "weight_scale"), ("fp8-blocks", "weight_scale_inv"),
    ])
    func aTensorThatIsMissing(fixture: String, suffix: String) throws {
        try expect("lacks '\(module).\(suffix)'") { _ = try open(fixture, without: suffix) }
    }

    @Test(arguments: [
        ("gptq-int4", "qweight"), ("awq", "qweight"), ("packed-int4", "weight_packed"), ("bytes", "weight"),
        ("fp8-blocks", "weight"),
    ])
    func tensorsLeftOver(fixture: String, main: String) throws {
        try expect("belongs to a packed weight that is not there") { _ = try open(fixture, without: main) }
    }

    @Test func whatIsNoLongerNeededIsLeftOver() throws {
        try expect("tensor '\(module).weight_zero_point': belongs to") {
            _ = try open("packed-int4", with: [zeros("weight_zero_point", .int32, [3, 3])])
        }
        try expect("tensor '\(module).g_idx': belongs to") {
            _ = try open("awq", with: [zeros("g_idx", .int32, [128])])
        }
    }

    @Test(arguments: [
        ("gptq-int4", "qzeros", [4, 5]), ("gptq-int4", "qzeros", [4, 4, 1]),
        ("gptq-int4", "scales", [32, 4]),
        ("gptq-int4", "qweight", [16]), ("gptq-int4", "qweight", [0, 32]),
        ("gptq-int4", "qweight", [16, 31]),
        ("gptq-int4", "qweight", [20, 32]), ("gptq-int4", "g_idx", [127]), ("awq", "qweight", [64, 5]),
        ("awq", "qzeros", [2, 6]), ("awq", "scales", [2, 48]), ("packed-int4", "weight_packed", [21, 11]),
        ("packed-int4", "weight_scale", [21, 4]), ("packed-int4", "weight_shape", [3]),
        ("packed-int4-asymmetric", "weight_zero_point", [21, 3]), ("packed-int4-order", "weight_g_idx", [95]),
        ("bytes", "weight_scale", [19]), ("bytes", "weight_zero_point", [19, 2]),
        ("fp8-channel", "weight_scale", [45]), ("fp8-tensor", "weight_scale", [19]),
        ("fp8-blocks", "weight_scale_inv", [1, 2]), ("fp8-blocks", "weight", [130]),
    ])
    func aTensorOfAnotherShape(fixture: String, suffix: String, shape: [Int]) throws {
        let type = try #require(try Checkpoint(PackedFixture(fixture).directory)["\(module).\(suffix)"]).type
        try expect("tensor '\(module)") { _ = try open(fixture, with: [zeros(suffix, type, shape)]) }
    }

    @Test(arguments: [
        ("gptq-int4", "qzeros", ElementType.int64, [4, 4]), ("gptq-int4", "scales", .int32, [4, 32]),
        ("awq", "qweight", .int16, [128, 5]), ("packed-int4", "weight_scale", .float64, [21, 3]),
        ("packed-int4", "weight_shape", .float32, [2]), ("fp8-blocks", "weight_scale_inv", .float8, [2, 2]),
    ])
    func aTensorOfAnotherType(fixture: String, suffix: String, type: ElementType, shape: [Int]) throws {
        try expect("holds \(type.rawValue) instead of") {
            _ = try open(fixture, with: [zeros(suffix, type, shape)])
        }
    }

    @Test(arguments: [
        ([21, 97], "does not fit"), ([21, 88], "does not fit"), ([22, 96], "does not fit"),
        ([21, 0], "does not fit"),
        ([21, -1], "does not fit"), ([21, Int.max], "does not fit"), ([Int.min, 96], "does not fit"),
    ])
    func aStatedShapeThatCannotBe(shape: [Int], part: String) throws {
        let bytes = shape.flatMap { extent in (0..<8).map { UInt8(truncatingIfNeeded: extent >> (8 * $0)) } }
        try expect(part) {
            _ = try open("packed-int4", with: [TestTensor("\(module).weight_shape", "I64", [2], bytes)])
        }
    }

    private func order(_ groups: [Int32]) -> TestTensor {
        TestTensor("\(module).g_idx", "I32", [groups.count], groups.flatMap(\.littleEndianBytes))
    }

    @Test func groupsOfColumns() throws {
        for odd: Int32 in [4, -1, .min, .max] {
            var groups = [Int32](repeating: 1, count: 128)
            groups[77] = odd
            try expect("puts column 77 into group \(odd) of 4") {
                _ = try open("gptq-desc-act", with: [order(groups)])
            }
        }
        try expect("which desc_act in config.json denies") {
            _ = try open("gptq-int4", with: [order(Array(repeating: 3, count: 128))])
        }
        // An order that was never filled in, and none at all, are those of the columns.
        let plain = try PackedFixture("gptq-int4").packed().floats(0..<32)
        for weights in [
            try open("gptq-int4", with: [order(Array(repeating: -1, count: 128))]),
            try open("gptq-int4", without: "g_idx"),
        ] {
            let packed = try #require(
                weights.compactMap { if case .derived(let it as PackedWeight) = $0.form { it } else { nil } }
                    .first)
            #expect(try packed.floats(0..<32) == plain)
        }
    }

    @Test(arguments: [(0x7e00, "nan"), (0x7c00, "inf"), (0xfc00, "-inf")] as [(UInt16, String)])
    func scalesThatAreNoNumbers(bits: UInt16, text: String) throws {
        let tensor = try #require(try Checkpoint(PackedFixture("gptq-int4").directory)["\(module).scales"])
        var bytes = Array(tensor.data.bytes)
        let at = 2 * (2 * 32 + 21)
        (bytes[at], bytes[at + 1]) = (UInt8(bits & 255), UInt8(bits >> 8))
        let weights = try open("gptq-int4", with: [TestTensor("\(module).scales", "F16", [4, 32], bytes)])
        guard
            case .derived(let packed as PackedWeight) = try #require(
                weights.first { $0.name == "\(module).weight" }
            ).form
        else {
            Issue.record("is not packed")
            return
        }
        try expect("tensor '\(module).scales': the scale of row 21, group 2, is \(text)") {
            _ = try packed.floats(0..<32)
        }
        _ = try packed.floats(0..<21)
    }

    @Test func packedAndPlainAtOnce() throws {
        try expect("is weight '\(module).weight', which is there already") {
            _ = try open("gptq-int4", with: [zeros("weight", .float16, [32, 128])])
        }
    }
}

extension Int32 {
    fileprivate var littleEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) } }
}
