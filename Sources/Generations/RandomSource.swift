public import Checkpoints
import Formats
import Prompts
public import Storage

extension ImportedModel {
    /// A model of a manifest's shapes whose weights are noise (``RandomWeight``): good to measure speed and memory with. Pictures are
    /// prepared as its generation's are published; it has no tokenizer, and samples as the reference does unless told otherwise.
    /// - Throws: `badInput` when no command converts what the manifest describes.
    public static func random(_ manifest: CheckpointManifest) throws(Failure) -> ImportedModel {
        let origin = RandomSource(manifest).origin
        return try ModelTypes.converter(for: manifest.config, file: origin).random(manifest)
    }
}

/// A manifest, with made-up weights for those that it describes.
struct RandomSource: ModelSource {
    private let manifest: CheckpointManifest

    init(_ manifest: CheckpointManifest) { self.manifest = manifest }

    var origin: String { "manifest \(manifest.name)" }

    var warnings: [String] { [] }

    func configuration() throws(Failure) -> (json: JSON, file: String) { (manifest.config, origin) }

    func weights(_ config: SettingsReader) throws(Failure) -> (Checkpoint, StoredWeights) {
        do {
            let weights = try manifest.weights.map { (weight) throws(Failure) in
                StoredWeight(try RandomWeight(weight))
            }
            return (Checkpoint(without: origin), StoredWeights(weights))
        } catch { throw error.located(in: origin) }
    }

    func generationSettings() throws(Failure) -> SettingsReader? {
        SettingsReader(.pairs(["do_sample": true]), file: origin)
    }

    func template() throws(Failure) -> PublishedTemplate { PublishedTemplate(program: nil, tokens: [:]) }

    func processors() throws(Failure) -> ProcessorFiles {
        ProcessorFiles(stated: SettingsReader(.object([]), file: origin))
    }

    var withoutProcessors: String { "a manifest says nothing of pictures" }

    func tokenizer(_ ledger: inout SettingsLedger) throws(Failure) -> (tokenizer: Tokenizer, end: Int?)? {
        nil
    }

    func enter(
        generation: SettingsReader?, _ config: SettingsReader, in ledger: inout SettingsLedger
    ) throws(Failure) {}

    func enter(
        _ config: SettingsReader, unproven: Set<String>, in ledger: inout SettingsLedger
    ) throws(Failure) {
        try ledger.enter(config, Formats.configSettings, unproven: unproven)
    }
}
