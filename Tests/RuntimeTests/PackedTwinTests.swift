import Accuracy
import Bundles
import Checkpoints
import GraphIR
import GroupFormats
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

@testable import Generations

/// The demo's model packed by each method, against a twin of what its codes stand for.
@Suite(.serialized) struct PackedTwinTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Linears of the language model, and one of each block of the vision tower.
    private static let slotCount = 4 * 7 + 4

    private func twin(_ method: PackedTwin.Method) throws -> (packed: Bundle, plain: Bundle) {
        let twin = try PackedTwin(method, of: "demo-qwen2-vl", in: directory)
        let packed = try makeBundle(twin.packed, nil, at: directory.file("packed.tessera"))
        let plain = try makeBundle(twin.plain, nil, at: directory.file("plain.tessera"))
        return (try Bundle(packed), try Bundle(plain))
    }

    /// The values of a tensor of codes.
    private func values(_ tensor: TensorEntry, of bundle: Bundle) throws -> [UInt32] {
        let geometry = try #require(PublishedGeometry(tensor.encoding, tensor.shape))
        let bytes = bundle.bytes(of: tensor).bytes
        return (0..<geometry.rows).flatMap { row in
            var floats = [Float](repeating: .nan, count: geometry.columns)
            floats.withUnsafeMutableBufferPointer { geometry.read(row: row, of: bytes, into: $0) }
            return floats.map(\.bitPattern)
        }
    }

    /// How many tensors hold codes, each of which must be what the twin has there; all others must be the same.
    private func carried(_ packed: Bundle, _ plain: Bundle) throws -> Int {
        var carried = 0
        for (tensor, exact) in zip(packed.tensors, plain.tensors) {
            guard case .zeroPoints(let format) = tensor.encoding else {
                #expect(tensor.digest == exact.digest, "\(tensor.name)")
                continue
            }
            carried += 1
            #expect(tensor.note.hasSuffix(" codes carried over exactly"))
            #expect(format.groupSize == 32 && exact.encoding == .float(.float32))
            let bits = plain.bytes(of: exact).bytes.withMemoryRebound(to: UInt32.self) { Array($0) }
            #expect(try values(tensor, of: packed) == bits, "\(tensor.name)")
        }
        try packed.verify(threads: 2)
        return carried
    }

    @Test(arguments: PackedTwin.Method.allCases.filter { $0 != .gptqReordered })
    func theCodesAreCarriedOverExactly(method: PackedTwin.Method) throws {
        let (packed, plain) = try twin(method)
        #expect(try carried(packed, plain) == PackedTwinTests.slotCount)
    }

    /// Queries, keys and values of a block lie head by head in one tensor, and are gathered, 16 rows a head.
    @Test func gatheredRowsAreCarriedOver() throws {
        let tensors = try Checkpoint(Fixtures.path("qwen-vl/published")).tensors.map {
            TestTensor($0.name, $0.type.rawValue, $0.shape.extents, Array($0.data.bytes))
        }
        let twin = try PackedTwin(
            .gptq, of: "qwen-vl/published", tensors: tensors,
            linears: ["c_attn.weight", "c_proj.weight", "mlp.w1.weight", "attn.in_proj.weight"],
            in: directory)
        func bundle(_ path: String) throws -> Bundle {
            try Bundle(
                makeBundle(Converter.qwenVL.read(path), nil, at: directory.file(Path.name(path) + ".tessera"))
            )
        }
        let (packed, plain) = (try bundle(twin.packed), try bundle(twin.plain))
        #expect(try carried(packed, plain) == 2 * 4 + 2 * 2)
        let fused = try #require(packed["vision.block.1.attention.qkv.weight"])
        #expect(fused.note == "rows of a head gathered by part; GPTQ codes carried over exactly")
    }

    /// The weights are the same; the packed ones meet activations of 8 bits, the plain ones floats. That puts the stages
    /// 1 % apart, and the logits by some 1e-4 nats.
    @Test(arguments: PackedTwin.Method.allCases.filter { $0 != .gptqReordered })
    func theModelSaysWhatItsTwinSays(method: PackedTwin.Method) throws {
        let (packed, plain) = try twin(method)
        func open(_ path: String) throws -> Model {
            try Model(path, .init(threads: 2, cachePrecision: .float32))
        }
        let comparison = try RunComparison(
            base: open(plain.path), other: open(packed.path), picture: "demo-pictures/scene_0.png",
            "Describe the picture.")
        #expect(comparison.samples[0].parting == nil)
        #expect(comparison.divergence.mean < 5e-4)
        let worst = comparison.stages.map(\.accumulated.relativeL2).max() ?? .infinity
        #expect(worst > 0 && worst < 0.02)
    }

    /// Each expert's linears by themselves, as tools that quantize publish them: those out of the experts are carried over
    /// side by side, three tiles each; those into them, of 40 rows, share tiles and are dequantized.
    @Test func expertsAreCarriedOver() throws {
        let fixture = "qwen3-vl-moe"
        let tensors = try Checkpoint(Fixtures.path("\(fixture)/published")).tensors.flatMap { tensor in
            tensor.name.contains("experts.") ? separated(tensor) : [whole(tensor)]
        }
        let twin = try PackedTwin(
            .gptq8, of: "\(fixture)/published", tensors: tensors,
            linears: [".experts.", "self_attn.o_proj.weight"],
            in: directory)
        let packed = try Bundle(makeBundle(twin.packed, nil, at: directory.file("packed.tessera")))
        let plain = try Bundle(makeBundle(twin.plain, nil, at: directory.file("plain.tessera")))
        let layers = packed.tensors.count { $0.name.hasSuffix("experts.down.weight") }
        #expect(layers > 0)
        #expect(try carried(packed, plain) == 2 * layers)
        let (down, up) = (
            try #require(packed["text.block.0.experts.down.weight"]),
            try #require(packed["text.block.0.experts.up.weight"])
        )
        #expect(down.note == "experts one below the other; GPTQ codes carried over exactly")
        #expect(
            up.note.hasSuffix("GPTQ codes dequantized: tiles of 16 rows would be of several tensors or heads")
        )
        let model = try Model(packed.path, .init(threads: 2, cachePrecision: .float32))
        let comparison = try GoldenCase(fixture, "text").compare(model)
        #expect(comparison.firstBeyond(0.05)?.name == nil)
    }

    private func whole(_ tensor: SourceTensor) -> TestTensor {
        TestTensor(tensor.name, tensor.type.rawValue, tensor.shape.extents, Array(tensor.data.bytes))
    }

    /// The linears [N, K] of a tensor of all experts, [experts, K, N] or [experts, K, 2·N].
    private func separated(_ tensor: SourceTensor) -> [TestTensor] {
        let extents = tensor.shape.extents
        let (prefix, last) = (
            tensor.name.split(separator: ".").dropLast(), tensor.name.hasSuffix("down_proj")
        )
        let names = last ? ["down_proj"] : ["gate_proj", "up_proj"]
        let (columns, rows) = (extents[1], extents[2] / names.count)
        let bytes = tensor.data.bytes
        return (0..<extents[0]).flatMap { expert in
            names.enumerated().map { part, name in
                let values = (0..<rows).flatMap { row in
                    (0..<columns).flatMap { column in
                        let at = (expert * columns + column) * extents[2] + part * rows + row
                        return [bytes[2 * at], bytes[2 * at + 1]]
                    }
                }
                let name = (prefix + ["\(expert)", name[...], "weight"]).joined(separator: ".")
                return TestTensor(name, tensor.type.rawValue, [rows, columns], values)
            }
        }
    }

    @Test func columnsInTheOrderOfActivationsAreDequantized() throws {
        let (packed, plain) = try twin(.gptqReordered)
        var count = 0
        for (tensor, exact) in zip(packed.tensors, plain.tensors) {
            #expect(tensor.digest == exact.digest, "\(tensor.name)")
            guard tensor.note.contains("GPTQ") else { continue }
            #expect(
                tensor.note.hasSuffix(
                    "GPTQ codes dequantized: their columns are in the order of the activations"))
            count += 1
        }
        #expect(count == PackedTwinTests.slotCount)
    }

    @Test func aSlotOfSeveralPieces() throws {
        func pieces(_ fixture: String) throws -> StoredWeight {
            let directory = Fixtures.path("packed/\(fixture)")
            let config = try JSON(file: Path.join(directory, "config.json"))
            let weights = try StoredWeights(Checkpoint(directory), config: config).weights
            return try #require(weights.first { $0.shape.rank == 2 })
        }
        func reason(_ columns: Int, _ parts: (StoredWeight, Range<Int>)...) throws -> String {
            let rows = parts.reduce(0) { $0 + $1.1.count }
            let slot = WeightSlot("w", try #require(Shape.matrix(rows, columns)))
            let entry = CoverageLedger.Entry(
                slot: slot, pieces: parts.map { WeightPiece(weight: $0.0, view: .rows($0.1)) }, note: "")
            switch try #require(entry.published).form {
            case .exact(let encoding): return "\(encoding)"
            case .floats(let reason): return reason
            }
        }
        let (gptq, awq) = (try pieces("gptq-int4"), try pieces("awq"))
        let reordered = try pieces("gptq-desc-act")
        #expect(try reason(128, (gptq, 16..<32), (gptq, 0..<16), (gptq, 3..<8)) == "int4-g32-f16")
        #expect(try reason(128, (gptq, 0..<8), (gptq, 16..<24)).contains("several tensors or heads"))
        #expect(try reason(128, (gptq, 0..<16), (awq, 0..<16)).contains("different ways"))
        #expect(try reason(128, (gptq, 0..<16), (reordered, 0..<16)).contains("order of the activations"))
        #expect(try reason(64, (gptq, 0..<32)).contains("another shape"))
    }
}
