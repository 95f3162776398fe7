import Accuracy
import Bundles
import GroupFormats
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

@testable import Generations

/// A bundle made of a copy that mlx-vlm saved is the bundle made of the folder that was copied.
@Suite(.serialized) struct MLXBundleTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func bundle(_ twin: MLXTwin) throws -> Bundle {
        try makeDirectory(directory.file("mlx"))
        try twin.write(to: directory.file("mlx"))
        let model = try Converter.qwen35.read(directory.file("mlx"))
        #expect(!model.warnings.contains { $0.contains("norms") }, "\(model.warnings)")
        #expect(model.plan.ledger.unused.isEmpty)
        return try Bundle(makeBundle(model, nil, at: directory.file("mlx.tessera")))
    }

    /// The values of a tensor of floats, or what codes stand for.
    private func floats(_ tensor: TensorEntry, of bundle: Bundle) throws -> [Float] {
        let bytes = bundle.bytes(of: tensor).bytes
        if let geometry = PublishedGeometry(tensor.encoding, tensor.shape) {
            return (0..<geometry.rows).flatMap { row in
                var floats = [Float](repeating: .nan, count: geometry.columns)
                floats.withUnsafeMutableBufferPointer { geometry.read(row: row, of: bytes, into: $0) }
                return floats
            }
        }
        guard case .float(let type) = tensor.encoding else {
            Issue.record("\(tensor.name) is \(tensor.encoding)")
            return []
        }
        return (0..<bytes.count / type.width).map { index in
            type == .float32
                ? bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                : Float(
                    bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        }
    }

    /// With norms in float32 every number is the folder's; in bfloat16, as mlx-vlm saves them, 1 + w lost the last bits of w and is
    /// kept as it is.
    @Test(arguments: ["qwen3.5", "qwen3.5-moe"], [false, true])
    func weightsAndAnswersAreTheFolders(fixture: String, rounded: Bool) throws {
        let made = try bundle(MLXTwin(of: "\(fixture)/published", rounded: rounded))
        let folder = try Bundle(try Bundled.path(fixture))
        #expect(try made.graphJSON == folder.graphJSON)
        #expect(made.tensors.map(\.name) == folder.tensors.map(\.name))
        for (tensor, other) in zip(made.tensors, folder.tensors) {
            let (own, others) = (try floats(tensor, of: made), try floats(other, of: folder))
            let isRounded = rounded && tensor.encoding != other.encoding
            let bound: Float = isRounded ? 0x1p-8 : 0
            #expect(zip(own, others).allSatisfy { abs($0 - $1) <= bound * abs($1) }, "\(tensor.name)")
            #expect(own.count == others.count)
            if rounded, other.encoding == .float(.float32) {
                #expect(tensor.encoding == .float(.bfloat16), "\(tensor.name)")
            }
        }
        guard !rounded else { return }
        let running = try Model(directory.file("mlx.tessera"), .init(threads: 2, cachePrecision: .float32))
        let comparison = try GoldenCase(fixture, "image2").compare(running)
        #expect(comparison.firstBeyond(GoldenTests.tolerance(of: fixture))?.name == nil)
        let greedy = try #require(comparison.greedy)
        #expect(greedy.reference == greedy.model)
    }

    /// Linears of a block with a delta rule as words of codes.
    @Test func quantized() throws {
        var twin = try MLXTwin(of: "qwen3.5/published", rounded: true)
        twin.config = twin.config.setting(
            "quantization", to: .pairs(["group_size": 16, "bits": 8, "mode": "affine"]))
        let names = ["in_proj_z", "out_proj"].map { "language_model.model.layers.0.linear_attn.\($0).weight" }
        var expected: [String: [Float]] = [:]
        twin.tensors = twin.tensors.flatMap { tensor -> [TestTensor] in
            guard names.contains(tensor.name) else { return [tensor] }
            let words = MLXWords(tensor, groupSize: 16)
            expected[tensor.name] = words.values
            return words.tensors
        }
        let made = try bundle(twin)
        for (name, part) in zip(names, ["gate", "output"]) {
            let slot = "text.block.0.linear_attention.\(part).weight"
            let tensor = try #require(made.tensors.first { $0.name == slot })
            #expect("\(tensor.encoding)" == "int8-g16-f16b")
            #expect(try floats(tensor, of: made) == expected[name])
        }
    }
}

/// A matrix as words of codes of 8 bits, whose scales and biases bfloat16 and float16 hold.
private struct MLXWords {
    let tensors: [TestTensor]
    /// What the codes stand for.
    let values: [Float]

    init(_ tensor: TestTensor, groupSize: Int) {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let groups = columns / groupSize
        let codes = (0..<rows * columns).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / columns) }
        func scale(_ group: Int) -> Float { Float(1 + group % 5) * 0x1p-10 }
        func bias(_ group: Int) -> Float { -Float(group % 7) * 0x1p-4 }
        values = codes.indices.map { index in
            let group = index / columns * groups + index % columns / groupSize
            return Float(codes[index]) * scale(group) + bias(group)
        }
        func halves(_ number: (Int) -> Float) -> [UInt8] {
            (0..<rows * groups).flatMap { little(UInt16(number($0).bitPattern >> 16)) }
        }
        let module = tensor.name.dropLast(".weight".count)
        tensors = [
            TestTensor(tensor.name, "U32", [rows, columns / 4], codes),
            TestTensor("\(module).scales", "BF16", [rows, groups], halves(scale)),
            TestTensor("\(module).biases", "BF16", [rows, groups], halves(bias)),
        ]
    }
}
