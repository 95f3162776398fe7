import GraphIR
import Storage
import TestSupport

@testable import Checkpoints
@testable import Generations

extension FuzzTarget {
    /// `config.json`, as far as the graph that follows from it.
    static let config = FuzzTarget(
        name: "config", maximumLength: 4096,
        words: [
            "model_type", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen", "text_config",
            "vision_config",
            "num_hidden_layers", "quantization_config", "rope_scaling", "mrope_section", "num_experts",
        ],
        seeds: {
            try ["qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3-vl-moe"].map {
                try readFile(Fixtures.path("\($0)/published/config.json"))
            }
        },
        read: { bytes in
            let json = try parsed(bytes)
            switch json["model_type"]?.string {
            case "qwen2_vl"?: try check(Qwen2VL.self, json)
            case "qwen2_5_vl"?: try check(Qwen25VL.self, json)
            case "qwen3_vl"?, "qwen3_vl_moe"?: try check(Qwen3VL.self, json)
            default: try check(QwenVL.self, json)
            }
        })

    private static func check<G: Generation>(_: G.Type, _ json: JSON) throws {
        if let packed = json["quantization_config"] {
            _ = try QuantizationConfig(packed, file: "config.json")
        }
        let reading = try ConfigurationReading<G>(json, file: "config.json")
        let graph = try reading.model.makeGraph(tied: false)
        require(try ModelGraph(json: graph.json) == graph, "the graph reads back otherwise")
    }
}
