import Checkpoints
import Formats
import Prompts
import Storage

/// What a model is read from: a checkpoint's folder, or the two files of a model in GGUF.
///
/// Everything is asked for when it is needed, so that what is wrong first is said first.
protocol ModelSource {
    /// What it is called in messages.
    var origin: String { get }

    /// What the user should know of how it was read.
    var warnings: [String] { get }

    /// The configuration in the words of config.json, and the file it stands in.
    func configuration() throws(Failure) -> (json: JSON, file: String)

    /// The weights under their published names, and the files that hold them.
    func weights(_ config: SettingsReader) throws(Failure) -> (Checkpoint, StoredWeights)

    /// How tokens want to be chosen, in the words of generation_config.json; nil when nothing is said.
    func generationSettings() throws(Failure) -> SettingsReader?

    /// The chat template, if there is one.
    func template() throws(Failure) -> PublishedTemplate

    /// What is said of how pictures and videos are prepared.
    func processors() throws(Failure) -> ProcessorFiles

    /// What to tell the user where no processor's file says how pictures are prepared.
    var withoutProcessors: String { get }

    /// The tokenizer, if there is one, and the id that a text ends with by its own settings.
    /// - Parameter ledger: what becomes of those settings.
    func tokenizer(_ ledger: inout SettingsLedger) throws(Failure) -> (tokenizer: Tokenizer, end: Int?)?

    /// Enters the settings that choose tokens into the ledger, after they were read.
    func enter(generation: SettingsReader?, _ config: SettingsReader, in ledger: inout SettingsLedger)
        throws(Failure)

    /// Enters all others into the ledger, after they were read.
    /// - Parameter unproven: paths whose defaults nothing in the checkpoint proves.
    func enter(_ config: SettingsReader, unproven: Set<String>, in ledger: inout SettingsLedger)
        throws(Failure)
}

/// Opens what a user gave.
enum GivenModel {
    /// What stands at a path: a GGUF file or a folder of such, or else a checkpoint's folder.
    /// - Throws: `badInput` saying what it is instead.
    static func source(_ path: String, _ options: ImportOptions) throws(Failure) -> any ModelSource {
        if options.mmproj != nil || GGUFModel.isGiven(path, weights: options.weights) {
            return try GGUFSource(path, weights: options.weights, mmproj: options.mmproj)
        }
        return try FolderSource(path, weights: options.weights)
    }
}

/// A checkpoint's folder, as published or as tools save it.
struct FolderSource: ModelSource {
    let origin: String
    /// A file of the weights to take, where there are several sets.
    private let weights: String?

    /// - Throws: `badInput` when it is no such folder, saying what it is.
    init(_ directory: String, weights: String?) throws(Failure) {
        try GivenFolder.check(directory)
        (origin, self.weights) = (directory, weights)
    }

    var warnings: [String] { [] }

    private func path(_ name: String) -> String { Path.join(origin, name) }

    func configuration() throws(Failure) -> (json: JSON, file: String) {
        let file = path("config.json")
        return (try JSON(file: file, limit: 16 << 20), file)
    }

    func weights(_ config: SettingsReader) throws(Failure) -> (Checkpoint, StoredWeights) {
        let checkpoint = try Checkpoint(origin, weights: weights ?? WeightFiles.stated(by: config))
        for key in StoredWeights.settings { _ = config[key] }
        return (checkpoint, try StoredWeights(checkpoint, config: config.json, file: config.file))
    }

    func generationSettings() throws(Failure) -> SettingsReader? {
        let file = path("generation_config.json")
        return Path.exists(file) ? try SettingsReader(file: file, limit: 1 << 20) : nil
    }

    func template() throws(Failure) -> PublishedTemplate { try PublishedTemplate(checkpoint: origin) }

    func processors() throws(Failure) -> ProcessorFiles { try ProcessorFiles(checkpoint: origin) }

    var withoutProcessors: String { "there is neither preprocessor_config.json nor processor_config.json" }

    func tokenizer(_ ledger: inout SettingsLedger) throws(Failure) -> (tokenizer: Tokenizer, end: Int?)? {
        guard Tokenizer.exists(inCheckpoint: origin) else { return nil }
        let tokenizer = try Tokenizer(checkpoint: origin)
        return (tokenizer, try endOfText(&ledger).flatMap(tokenizer.id(of:)).map(Int.init))
    }

    /// Enters tokenizer_config.json into the ledger.
    /// - Returns: what it calls the end of a text.
    private func endOfText(_ ledger: inout SettingsLedger) throws(Failure) -> String? {
        let file = path("tokenizer_config.json")
        guard Path.exists(file) else { return nil }
        let settings = try SettingsReader(file: file)
        for key in ["added_tokens_decoder", "chat_template"] { _ = settings.stated(key) }
        let end = settings.stated("eos_token")
        try ledger.enter(settings, Formats.tokenizerSettings)
        return end?.string ?? end?["content"]?.string
    }

    func enter(
        generation: SettingsReader?, _ config: SettingsReader, in ledger: inout SettingsLedger
    ) throws(Failure) {
        guard let generation else {
            try ledger.refuseUnsupported(config, by: Formats.generationSettings)
            return
        }
        // Qwen-VL's says by it whether the model can chat.
        _ = generation.stated("chat_format")
        try ledger.enter(generation, Formats.generationSettings)
    }

    func enter(
        _ config: SettingsReader, unproven: Set<String>, in ledger: inout SettingsLedger
    ) throws(Failure) {
        try ledger.enter(config, Formats.configSettings, unproven: unproven)
    }
}
