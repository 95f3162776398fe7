import Checkpoints
import Formats
public import GraphIR
import Storage

/// What a checkpoint will become, as far as its configuration and its tensors' names, types and shapes tell.
public struct CheckpointPlan: Sendable {
    /// The generation's name: `qwen2-vl`.
    public let generation: String
    /// What it computes.
    public let graph: ModelGraph
    /// Where each weight comes from.
    public let ledger: CoverageLedger
    /// Positions that the model was made for.
    public let contextLimit: Int
    /// What the user should know.
    public private(set) var warnings: [String]

    /// Values of all weights; a shared one counts once.
    public var parameterCount: Int { graph.weights.reduce(0) { $0 + $1.shape.count } }

    /// Balances the weights of a checkpoint against a generation's graph.
    /// - Parameters:
    ///   - origin: the folder or manifest, for messages.
    ///   - passedOver: what the checkpoint holds beside weights.
    ///   - leftOut: tensors that no weight needs, and why.
    init<G: Generation>(
        _ reading: ConfigurationReading<G>, _ weights: [StoredWeight], of origin: String,
        passedOver: [PassedOver] = [], leftOut: [(name: String, reason: String)] = []
    ) throws(Failure) {
        let (table, model) = (reading.table, reading.model)
        let head = HeadWeight(reading.config, weights, table)
        generation = G.name
        graph = try model.makeGraph(tied: head.isTied)
        ledger = try CoverageLedger(
            weights, in: origin, table, graph, extents: model.extents, unneeded: head.unneeded,
            passedOver: passedOver, leftOut: leftOut)
        contextLimit = model.contextLimit
        warnings = [head.warning, Self.otherForms(weights, table)].compactMap(\.self)
    }

    /// Says which names were read in another form than the published one.
    private static func otherForms(_ weights: [StoredWeight], _ table: NameTable) -> String? {
        let others = weights.compactMap { weight in
            table.match(weight.name).flatMap {
                $0.published == weight.name ? nil : (weight.name, $0.published)
            }
        }
        return others.first.map {
            "\(others.count) of \(weights.count) names are not as published: '\($0.0)' is read as '\($0.1)'"
        }
    }
}

/// A configuration as a generation reads it.
struct ConfigurationReading<G: Generation> {
    let table: NameTable
    let config: SettingsReader
    /// Settings whose defaults nothing in the checkpoint proves.
    let unproven: Set<String>
    let model: G

    /// - Throws: `badInput` when the configuration is another generation's, or the generation cannot read it.
    init(_ json: JSON, file: String) throws(Failure) {
        table = try NameTable(of: G.self)
        try ModelTypes.check(json, against: G.modelTypes, file: file)
        let defaults = try ClassDefaults(of: json)
        unproven = defaults.unproven
        config = SettingsReader(json, file: file, defaults: defaults.config)
        model = try G(config)
    }
}

extension CheckpointPlan {
    init<G: Generation>(_ manifest: CheckpointManifest, _: G.Type) throws(Failure) {
        let origin = "manifest \(manifest.name)"
        guard manifest.config["quantization_config"] == nil else {
            throw .badInput(
                "describes packed weights, whose sizes a manifest does not tell", file: origin,
                remedy: "use the manifest of the full-precision model")
        }
        let reading = try ConfigurationReading<G>(manifest.config, file: origin)
        try self.init(reading, manifest.weights, of: origin)
        var settings = SettingsLedger(ignoring: [])
        try settings.enter(reading.config, Formats.configSettings, unproven: reading.unproven)
        warnings += settings.warnings
    }
}
