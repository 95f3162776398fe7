import Checkpoints
import Storage
import TestSupport
import Testing

/// A checkpoint as one of the methods publishes it, and what the method's own code makes of its weight.
struct PackedFixture: CustomStringConvertible, Sendable {
    static let all = [
        "gptq-int4", "gptq-int8", "gptq-row", "gptq-desc-act", "gptq-v1-zeros", "gptq-v2", "awq",
        "packed-int4",
        "packed-int4-asymmetric", "packed-int4-order", "packed-int8-row", "bytes", "bytes-symmetric",
        "fp8-channel", "fp8-tensor", "fp8-blocks",
    ].map(PackedFixture.init)

    let name: String
    var description: String { name }
    var directory: String { Fixtures.path("packed/\(name)") }

    init(_ name: String) { self.name = name }

    func weights() throws -> [StoredWeight] {
        let config = try JSON(file: Path.join(directory, "config.json"))
        return try StoredWeights(Checkpoint(directory), config: config).weights
    }

    func packed() throws -> PackedWeight {
        for weight in try weights() {
            if case .derived(let derived as PackedWeight) = weight.form { return derived }
        }
        throw Failure.badInput("has no packed weight", file: directory)
    }

    /// The expected weight: float32, or bfloat16.
    func expected() throws -> SourceTensor {
        try #require(SafetensorsFile(Path.join(directory, "expected.safetensors")).tensors.first)
    }
}

extension PackedWeight {
    func floats(_ rows: Range<Int>) throws -> [Float] {
        var floats = [Float](repeating: .nan, count: rows.count * shape.extents[1])
        let result = floats.withUnsafeMutableBufferPointer { buffer in
            Result { () throws(Failure) in try readRows(rows, into: UnsafeMutableRawBufferPointer(buffer)) }
        }
        try result.get()
        return floats
    }
}

@Suite struct PackedWeightTests {
    @Test(arguments: PackedFixture.all)
    func readsWhatItsOwnCodeDequantizes(fixture: PackedFixture) throws {
        let (packed, expected) = (try fixture.packed(), try fixture.expected())
        #expect(packed.name == expected.name && packed.shape == expected.shape)
        let floats = try packed.floats(0..<packed.shape.extents[0])
        switch expected.type {
        case .float32:
            // Products of 16-bit scales with few bits are exact, in whatever order they are made.
            let exact = (0..<expected.shape.count).map {
                expected.data.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
            }
            #expect(floats == exact)
        default:
            let rounded = (0..<expected.shape.count).map {
                expected.data.bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
            }
            #expect(floats.map(nearestBFloat16) == rounded)
        }
    }

    @Test(arguments: PackedFixture.all)
    func anyRangeOfRowsIsTheSame(fixture: PackedFixture) throws {
        let packed = try fixture.packed()
        let (rows, columns) = (packed.shape.extents[0], packed.shape.extents[1])
        let whole = try packed.floats(0..<rows)
        for range in [0..<1, rows - 1..<rows, 1..<rows, 3..<5, 0..<min(17, rows), rows / 2..<rows, 2..<2] {
            #expect(
                try packed.floats(range)
                    == Array(whole[range.lowerBound * columns..<range.upperBound * columns]))
        }
    }

    @Test(arguments: PackedFixture.all)
    func everyTensorHasItsPlace(fixture: PackedFixture) throws {
        let weights = try fixture.weights()
        let checkpoint = try Checkpoint(fixture.directory)
        #expect(weights.flatMap(\.sources).sorted() == checkpoint.names.sorted())
        let names = [
            "model.layers.0.mlp.up_proj.bias", "model.layers.0.mlp.up_proj.weight", "model.norm.weight",
        ]
        #expect(weights.map(\.name).sorted() == names)
        for weight in weights where weight.name != names[1] { #expect(weight.type == .float16) }
        let packed = try #require(weights.first { $0.name == names[1] })
        let shape = try fixture.expected().shape
        #expect(packed.type == .float32 && packed.shape == shape)
    }

    @Test func withoutAQuantizationAllIsPlain() throws {
        let directory = try TemporaryDirectory()
        let tensors = ["a.weight", "b.bias"].map { TestTensor($0, "F32", [1], [0, 0, 0, 0]) }
        try writeSafetensors(tensors, to: directory.file("model.safetensors"))
        let stored = try StoredWeights(Checkpoint(directory.path), config: .object([]))
        #expect(stored.weights.map(\.name) == tensors.map(\.name) && stored.quantization == nil)
    }
}

/// Rounded to nearest even, as torch does.
func nearestBFloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
}
