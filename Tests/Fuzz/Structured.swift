import Formats
import GraphIR
import Quantization
import Storage
import TestSupport

@testable import Checkpoints
@testable import Prompts

/// Targets whose input is JSON.
extension FuzzTarget {
    /// JSON itself: what is read can be written, and reads back the same.
    static let json = FuzzTarget(
        name: "json", maximumLength: 4096,
        words: [
            "null", "true", "false", "\\u0000", "\\ud834\\udd1e", "1e400", "-0.0", "9223372036854775808",
            "[[", "{\"a\":",
        ],
        seeds: {
            [
                Array(#"{"a":[1,2.5,-3e-7,"x\n\u00e9",null,true,false,{}],"b":{"c":[]}}"#.utf8),
                Array("[[[[[[[[0]]]]]]]]".utf8), Array("9007199254740993".utf8), Array("\"𝄞\"".utf8),
            ]
        },
        read: { bytes in
            let json = try parsed(bytes)
            for pretty in [false, true] {
                require(
                    try parsed(Array(json.serialized(pretty: pretty).utf8)) == json, "reads back otherwise")
            }
        })

    /// The graphs of a bundle.
    static let graph = FuzzTarget(
        name: "graph", maximumLength: 12288,
        words: [
            "\"op\":", "operands", "result", "\"type\":", "float[tokens, 8]", "index[tokens]", "linear",
            "embedding", "norm",
            "attention", "rotary", "rotary_table", "gated_product", "add", "slice", "merge", "gather",
            "scatter",
            "route", "expert_linear", "combine", "causal_layer", "segments", "weight", "\"role\":", "heads",
        ],
        seeds: {
            let graphs = try [TinyGraph.model()] + shortGraphs()
            return graphs.map { Array($0.json.serialized().utf8) }.filter { $0.count <= 12288 }
        },
        read: { bytes in
            let graph = try ModelGraph(json: parsed(bytes))
            require(try ModelGraph(json: graph.json) == graph, "the graph reads back otherwise")
            _ = (graph.text, graph.mermaid, graph.residualStreams)
        })

    /// A recipe.
    static let recipe = FuzzTarget(
        name: "recipe", maximumLength: 4096,
        words: [
            "rules", "roles", "blocks", "encoding", "keep", "bits", "group", "bands", "from", "solver",
            "default",
            "target_bits", "steps", "text.*", "0-3,27",
        ],
        seeds: {
            Formats.recipes.filter { $0.json.count <= 4096 }.map(\.json) + [
                Array(
                    #"""
                    {"name":"a","rules":[{"roles":["text.*"],"blocks":"0-3,27","encoding":{"bits":4,"group":32}},
                    {"roles":"text.embedding","encoding":{"bands":[{"bits":6,"group":32},{"from":16,"bits":4,"group":16}]},
                    "solver":"search"}],"default":{"encoding":"keep"},"target_bits":4.5}
                    """#.utf8)
            ]
        },
        read: { bytes in
            let recipe = try Recipe(json: parsed(bytes))
            require(try Recipe(json: recipe.json).json == recipe.json, "the recipe reads back otherwise")
        })

    /// What a bundle says of its model's prompts.
    static let prompt = FuzzTarget(
        name: "prompt", maximumLength: 8192,
        words: [
            "patch_size", "merge_size", "separate_frames", "seconds", "image_token", "stop_tokens",
            "per_second",
        ],
        seeds: { [Array(try tinyPrompt().json.serialized().utf8)] },
        read: { bytes in
            let settings = try PromptSettings(json: parsed(bytes))
            require(try PromptSettings(json: settings.json) == settings, "the settings read back otherwise")
            for size in [(1, 1), (640, 480), (4000, 30)] {
                guard let plan = try? settings.images.plan(ImageSize(width: size.0, height: size.1)) else {
                    continue
                }
                let visual = VisualShape(.image, grid: plan.grid, tokens: plan.tokens)
                require(visual.tokens > 0, "a picture without tokens")
            }
        })

    /// Prompt settings of pictures of one pixel a patch.
    static func tinyPrompt(_ kind: PositionRule.Kind = .frame) throws(Failure) -> PromptSettings {
        var images = ImagePreprocessor()
        (images.patchSize, images.temporalPatchSize, images.mergeSize) = (1, 1, 1)
        (images.minimumPixels, images.maximumPixels) = (1, 4096)
        return PromptSettings(
            template: try ChatTemplate(named: "qwen2-vl", .ownForNone(name: "qwen2-vl")), images: images,
            positions: PositionRule(kind, mergeSize: 1),
            imageToken: 9,
            videoToken: 8, stopTokens: [1], coordinates: .thousandths)
    }
}
