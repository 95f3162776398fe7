import Checkpoints
import Formats
import Generations
import GraphIR
import Prompts
import Storage
import TestSupport
import Testing

/// Settings that the releases 4.45 to 4.49 of transformers leave out, since they equal the class's defaults.
@Suite struct ClassDefaultsTests {
    /// A manifest of a published model whose `vision_config` says only what those releases write.
    private func bare(_ name: String, keeping kept: [String]) throws -> CheckpointManifest {
        let json = try JSON(
            parsing: #require(Formats.checkpoints.first { $0.name == name }).json)
        let config = try #require(json["config"])
        let vision = JSON.object(
            (config["vision_config"]?.members ?? []).filter { kept.contains($0.key) })
        return try CheckpointManifest(
            json: json.setting("config", to: config.setting("vision_config", to: vision)))
    }

    /// Qwen2-VL-7B keeps almost nothing of its tower, and other sizes the width that leaves it.
    @Test(arguments: [("Qwen2-VL-7B", ["in_chans"]), ("Qwen2-VL-2B", ["hidden_size", "in_chans"])])
    func theTowerOfQwen2VLIsTheClasses(_ name: String, _ kept: [String]) throws {
        let full = try Converter.qwen2VL.plan(CheckpointManifest(named: name))
        let plan = try Converter.qwen2VL.plan(bare(name, keeping: kept))
        #expect(plan.graph.json == full.graph.json)
        #expect(plan.warnings.contains { $0.contains("vision_config.num_heads") })
        #expect(!plan.warnings.contains { $0.contains("vision_config.depth") })
    }

    @Test func theTowerOfQwen25VLIsTheClasses() throws {
        let full = try Converter.qwen25VL.plan(CheckpointManifest(named: "Qwen2.5-VL-7B"))
        let plan = try Converter.qwen25VL.plan(bare("Qwen2.5-VL-7B", keeping: ["hidden_size", "in_chans"]))
        #expect(plan.graph.json == full.graph.json)
        for key in ["num_heads", "window_size", "fullatt_block_indexes", "tokens_per_second"] {
            #expect(plan.warnings.contains { $0.contains("'vision_config.\(key)' is left out") })
        }
    }

    /// A default that the weights contradict is not believed.
    @Test func aDefaultThatWeightsContradictIsRefused() throws {
        #expect(throws: Failure.self) {
            try Converter.qwen2VL.plan(bare("Qwen2-VL-2B", keeping: ["in_chans"]))
        }
    }

    /// The published manifests leave nothing to defaults and state nothing unknown.
    @Test func publishedConfigurationsNeedNoDefaults() throws {
        for model in Formats.checkpoints {
            let plan = try PublishedModel.plan(CheckpointManifest(named: model.name))
            #expect(
                plan.warnings.filter { $0.contains("'") && $0.contains(".json") }.isEmpty, "\(model.name)")
        }
    }
}
