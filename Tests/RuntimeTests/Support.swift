import BundleCommands
import Bundles
import Checkpoints
import Generations
import GraphIR
import Prompts
import Quantization
import Runtime
import Storage
import Synchronization
import Tessera
import TestSupport

/// Bundles of the fixtures' checkpoints, made once.
enum Bundled {
    /// The trained demo model in full precision and quantized.
    static let demo = Result { try path("demo-qwen2-vl") }
    static let demoInt8 = Result { try path("demo-qwen2-vl", "int8") }
    static let demoInt4 = Result { try path("demo-qwen2-vl", "int4") }

    /// The bundle of a fixture's published checkpoint; without a recipe in full precision.
    static func path(_ fixture: String, _ recipe: String? = nil) throws -> String {
        try made.withLock { made in
            let name = fixture + (recipe ?? "") + ".tessera"
            if let path = made[name] { return path }
            let published = Fixtures.path("\(fixture)/published")
            let checkpoint = Path.isDirectory(published) ? published : Fixtures.path(fixture)
            let path = try makeBundle(checkpoint, recipe, at: directory.get().file(name))
            made[name] = path
            return path
        }
    }

    private static let made = Mutex<[String: String]>([:])
    private static let directory = Result { try TemporaryDirectory() }
}

/// Converts a checkpoint of whatever generation it says it is and gives the path of the bundle, whose metadata may be changed.
func makeBundle(
    _ checkpoint: String, _ recipe: String?, at path: String, metadata change: (JSON) -> JSON = { $0 }
) throws -> String {
    try makeBundle(ImportedModel.ofAnyGeneration(checkpoint), recipe, at: path, metadata: change)
}

/// Writes the bundle of a checkpoint that was read, and gives its path.
func makeBundle(
    _ model: ImportedModel, _ recipe: String?, at path: String, metadata change: (JSON) -> JSON = { $0 }
) throws -> String {
    let recipe = try recipe.map { try Recipe(named: $0) } ?? Recipe("keep", rules: [])
    let source = CheckpointWeights(model)
    let plan = try QuantizationPlan(recipe, model.plan.graph, source.weights)
    let writer = try BundleWriter(
        OutputPath(path, replacing: true, inputs: []), fingerprint: .null, plan: plan.descriptions)
    try Quantizer(plan, threads: 2).run(source, into: writer)
    _ = try writer.finish(
        graph: model.plan.graph.json, metadata: change(model.metadata(sources: [], recipe: recipe.json)),
        tokenizer: model.tokenizer)
    return path
}

/// Writes a fixture's bundle with parts of its graph's text replaced everywhere, and gives its path.
func forge(
    _ fixture: String, _ replacements: [(original: String, forged: String)], at path: String
) throws -> String {
    let source = try Bundle(try Bundled.path(fixture))
    var graph = try source.graphJSON.serialized()
    for (original, forged) in replacements {
        let parts = graph.split(separator: original, omittingEmptySubsequences: false)
        guard parts.count > 1 else { throw Failure.badInput("the graph has no \(original)") }
        graph = parts.joined(separator: forged)
    }
    let writer = try BundleWriter(
        OutputPath(path, replacing: true, inputs: []), fingerprint: .null,
        plan: source.tensors.map(\.description))
    for (index, tensor) in source.tensors.enumerated() {
        try writer.append(source.bytes(of: tensor).bytes, to: index)
    }
    _ = try writer.finish(
        graph: JSON(parsing: Array(graph.utf8)), metadata: source.metadata, tokenizer: source.tokenizer)
    return path
}
