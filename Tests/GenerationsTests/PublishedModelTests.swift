import BundleCommands
import Bundles
import Checkpoints
import Formats
import Generations
import GraphIR
import Quantization
import Storage
import TestSupport
import Testing

/// Every published model maps completely, without a byte of its weights.
@Suite struct PublishedModelTests {
    @Test func allAreKnown() {
        #expect(CheckpointManifest.publishedNames == PublishedModel.all.map(\.name))
    }

    @Test(arguments: PublishedModel.all)
    func theManifestIsTheModel(model: PublishedModel) throws {
        let manifest = try model.manifest
        #expect(manifest.name == model.name)
        #expect(manifest.source.hasPrefix("Qwen/\(model.name)"))
        #expect(manifest.weights.count == model.tensors)
        #expect(manifest.byteCount == model.byteCount)
        #expect(manifest.weights.reduce(0) { $0 + $1.shape.count } == model.parameters)
        #expect(manifest.weights.allSatisfy { $0.type == .bfloat16 })
    }

    @Test(arguments: PublishedModel.all)
    func theLedgerBalances(model: PublishedModel) throws {
        let plan = try model.plan
        let ledger = plan.ledger
        #expect(plan.warnings.isEmpty)
        #expect(plan.parameterCount == model.parameters)
        #expect(ledger.unused.isEmpty)
        #expect(ledger.sourceCount == model.tensors)
        #expect(ledger.splitCount == model.split)
        #expect(ledger.fusedCount == 0)
        #expect(ledger.json["missing"] == 0)
        #expect(ledger.json["mapped"]?.int == model.tensors)
        // Each element of each tensor goes to one place.
        var taken: [String: Int] = [:]
        for entry in ledger.entries {
            let columns = entry.slot.shape.count / entry.slot.shape.extents[0]
            for piece in entry.pieces { taken[piece.weight.name, default: 0] += piece.view.count * columns }
        }
        for weight in try model.manifest.weights {
            #expect(taken[weight.name] == weight.shape.count, "\(weight.name)")
        }
    }

    @Test(arguments: PublishedModel.all)
    func sizesArePredicted(model: PublishedModel) throws {
        let plan = try model.plan
        let weights = try model.manifest.weights
        for recipe in ExpectedSizes.Recipe.allCases {
            let known = recipe == .keep ? Recipe("keep", rules: []) : try Recipe(named: recipe.rawValue)
            let made = try QuantizationPlan(known, plan.graph, plan.weights)
            let size = try BundleWriter.byteCount(upToWeights: made.descriptions)
            #expect(size == ExpectedSizes.bundle(weights, recipe), "\(recipe)")
        }
    }

    /// Figures worked out by hand from the shapes, so that the rule above is held to something, too.
    @Test func aFewSizesByHand() throws {
        // Qwen2-VL-2B in int8. A row of K columns, a multiple of 32, takes K + K / 16 + 8 bytes, its table padded to 64.
        func int8(_ rows: Int, _ columns: Int) -> Int { rows * (columns + columns / 16 + 8) }
        let block = int8(3840, 1280) + int8(1280, 1280) + int8(5120, 1280) + int8(1280, 5120)
        let blockVectors = 2 * (4 * 1280 + 3840 + 1280 + 5120 + 1280)
        let tower = 32 * (block + blockVectors)
        // 1176 columns are 37 groups, whose table of 1184 bytes is padded to 1216.
        let patches = 80 * (128 + 1216 + 37 * 512)
        let merger = int8(5120, 5120) + int8(1536, 5120) + 2 * (2 * 1280 + 5120 + 1536)
        let attention = int8(1536, 1536) + 2 * int8(256, 1536) + int8(1536, 1536)
        let network = 2 * int8(8960, 1536) + int8(1536, 8960)
        let layers = 28 * (attention + network + 2 * (2 * 1536 + 1536 + 256 + 256))
        let model = tower + patches + merger + layers + int8(151936, 1536) + 2 * 1536
        let weights = try CheckpointManifest(named: "Qwen2-VL-2B").weights
        #expect(ExpectedSizes.bundle(weights, .int8) == 4096 + model)

        // Of 235B-A22B the experts: 94 · 3 · 128 matrices of 1536 · 4096 in 4 bits, a row and group of 32 in 18 bytes.
        let plan = try Converter.qwen3VL.plan(try CheckpointManifest(named: "Qwen3-VL-235B-A22B"))
        let made = try QuantizationPlan(try Recipe(named: "int4"), plan.graph, plan.weights)
        let experts = made.descriptions.filter { $0.name.contains(".experts.") }
        #expect(experts.count == 94 * 3)
        let values = 94 * 3 * 128 * 1536 * 4096
        let rows = 94 * 128 * (2 * 1536 + 4096)
        #expect(experts.reduce(0) { $0 + $1.byteCount } == values / 32 * 18 + rows * 8)
    }

    @Test func expertsOneByOneAreTheSame() throws {
        let fused = try Formats.manifest("Qwen3-VL-30B-A3B")
        let layer = "model.language_model.layers.{i}.mlp.experts"
        let kept = (fused["tensors"]?.array ?? []).filter { $0["name"]?.string?.hasPrefix(layer) == false }
        let single = (0..<128).flatMap { expert in
            [("gate_proj", [768, 2048]), ("up_proj", [768, 2048]), ("down_proj", [2048, 768])].map { part in
                JSON.pairs([
                    "name": .string("\(layer).\(expert).\(part.0).weight"),
                    "shape": .array(part.1.map(JSON.int)), "count": 48,
                ])
            }
        }
        let manifest = try CheckpointManifest(json: fused.setting("tensors", to: .array(kept + single)))
        let (one, other) = (
            try Converter.qwen3VL.plan(manifest), try Converter.qwen3VL.plan(.init(json: fused))
        )
        #expect(one.ledger.summary == "19218 source tensors: 19218 mapped, 18432 fused, 0 unused, 0 missing")
        #expect(one.graph.weights == other.graph.weights)
        #expect(one.weights.map(\.shape) == other.weights.map(\.shape))
    }

    /// A manifest made of a checkpoint's headers plans what the checkpoint does.
    @Test func aManifestPlansWhatItsCheckpointDoes() throws {
        let folder = Fixtures.path("qwen2-vl/published")
        let model = try Converter.qwen2VL.read(folder)
        let tensors = model.checkpoint.tensors.map { tensor in
            JSON.pairs([
                "name": .string(tensor.name), "dtype": .string(tensor.type.rawValue),
                "shape": .array(tensor.shape.extents.map(JSON.int)),
            ])
        }
        let manifest = try CheckpointManifest(
            json: .pairs([
                "name": "tiny", "source": "tiny", "config": try JSON(file: Path.join(folder, "config.json")),
                "total_size": .int(model.checkpoint.byteCount), "tensors": .array(tensors),
            ]))
        let plan = try Converter.qwen2VL.plan(manifest)
        #expect(plan.weights == model.plan.weights)
        #expect(plan.graph.json == model.plan.graph.json)
        #expect(plan.ledger.json == model.plan.ledger.json)
        #expect(model.checkpoint.byteCount == model.checkpoint.statedByteCount)
    }
}
