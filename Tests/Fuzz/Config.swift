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
            "model_type", "text_config", "vision_config", "num_hidden_layers", "quantization_config",
            "rope_scaling", "mrope_section", "num_experts",
        ] + Converter.all.flatMap { $0.generation.modelTypes },
        seeds: {
            try Fixtures.published.map { try readFile(Fixtures.path("\($0)/published/config.json")) }
        },
        read: { bytes in
            let json = try parsed(bytes)
            let graph = try graph(of: json)
            require(try ModelGraph(json: graph.json) == graph, "the graph reads back otherwise")
        })

    /// The graph of the model that a configuration describes.
    private static func graph(of config: JSON) throws(Failure) -> ModelGraph {
        func graph<G: Generation>(_: G.Type) throws(Failure) -> ModelGraph {
            try ConfigurationReading<G>(config, file: "config.json").model.makeGraph(tied: false)
        }
        let generation: any Generation.Type = ModelTypes.converter(for: config)?.generation ?? QwenVL.self
        return try graph(generation)
    }

    /// Each generation's graphs, of one block each.
    static func shortGraphs() throws -> [ModelGraph] {
        try Fixtures.published.map {
            try graph(of: short(JSON(file: Fixtures.path("\($0)/published/config.json"))))
        }
    }

    private static func short(_ json: JSON) -> JSON {
        guard let members = json.members else { return json }
        return .object(
            members.map { member in
                switch member.key {
                case "num_hidden_layers", "depth", "layers": JSON.Member(member.key, 1)
                case "deepstack_visual_indexes", "fullatt_block_indexes":
                    JSON.Member(member.key, member.value == [] ? [] : [0])
                case "layer_types":
                    JSON.Member(member.key, .array(Array((member.value.array ?? []).prefix(1))))
                default: JSON.Member(member.key, short(member.value))
                }
            })
    }
}
