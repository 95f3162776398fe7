import BundleCommands
import Bundles
import Checkpoints
import Generations
import GraphIR
import Prompts
import Quantization
import Runtime
import Storage
import Tessera
import TestSupport

/// Bundles of the fixtures' checkpoints, made once.
enum Bundled {
    /// A small random Qwen2-VL, as published.
    static let random = Result { try make("qwen2-vl/published", nil) }
    /// The trained demo model in full precision and quantized.
    static let demo = Result { try make("demo-qwen2-vl", nil) }
    static let demoInt8 = Result { try make("demo-qwen2-vl", "int8") }
    static let demoInt4 = Result { try make("demo-qwen2-vl", "int4") }

    private static let directory = Result { try TemporaryDirectory() }

    private static func make(_ fixture: String, _ recipe: String?) throws -> String {
        let name = Path.name(fixture) + (recipe ?? "") + ".tessera"
        return try makeBundle(Fixtures.path(fixture), recipe, at: directory.get().file(name))
    }
}

/// Converts a Qwen2-VL checkpoint and gives the path of the bundle, whose metadata may be changed.
func makeBundle(
    _ checkpoint: String, _ recipe: String?, at path: String, metadata change: (JSON) -> JSON = { $0 }
) throws -> String {
    try makeBundle(ImportedModel.qwen2VL(checkpoint), recipe, at: path, metadata: change)
}

/// Writes the bundle of a checkpoint that was read, and gives its path.
func makeBundle(
    _ model: ImportedModel, _ recipe: String?, at path: String, metadata change: (JSON) -> JSON = { $0 }
) throws -> String {
    let recipe = try recipe.map { try Recipe(named: $0) } ?? Recipe("keep", rules: [])
    let source = CheckpointWeights(model.ledger)
    let plan = try QuantizationPlan(recipe, model.graph, source.weights)
    let writer = try BundleWriter(path, fingerprint: .null, plan: plan.descriptions, overwrite: true)
    try Quantizer(plan, threads: 2).run(source, into: writer)
    _ = try writer.finish(
        graph: model.graph.json, metadata: change(model.metadata(sources: [], recipe: recipe.json)),
        tokenizer: model.tokenizer)
    return path
}

/// A prompt of ids and pictures for the random model.
func makePrompt(_ model: Model, _ ids: [Int32], _ pictures: [String]) throws -> PreparedPrompt {
    let visuals = try pictures.map { PreparedPrompt.Visual(.image, try model.picture(Fixtures.path($0))) }
    return try PreparedPrompt(tokens: ids, visuals: visuals, settings: model.prompt)
}

/// The ids of a golden case.
func goldenIDs(_ name: String) throws -> [Int32] {
    let file = try SafetensorsFile(Fixtures.path("qwen2-vl/golden/\(name).safetensors"))
    guard let tensor = file.tensors.first(where: { $0.name == "input_ids" }) else {
        throw Failure.badInput("no input_ids")
    }
    return (0..<tensor.shape.count).map {
        Int32(tensor.data.bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
    }
}

/// Writes the demo's bundle with parts of its graph's text replaced everywhere, and gives its path.
func forgeDemo(_ replacements: [(original: String, forged: String)], at path: String) throws -> String {
    let source = try Bundle(try Bundled.demo.get())
    var graph = try source.graphJSON.serialized()
    for (original, forged) in replacements {
        let parts = graph.split(separator: original, omittingEmptySubsequences: false)
        guard parts.count > 1 else { throw Failure.badInput("the graph has no \(original)") }
        graph = parts.joined(separator: forged)
    }
    let writer = try BundleWriter(
        path, fingerprint: .null, plan: source.tensors.map(\.description), overwrite: true)
    for (index, tensor) in source.tensors.enumerated() {
        try writer.append(source.bytes(of: tensor).bytes, to: index)
    }
    _ = try writer.finish(
        graph: JSON(parsing: Array(graph.utf8)), metadata: source.metadata, tokenizer: source.tokenizer)
    return path
}
