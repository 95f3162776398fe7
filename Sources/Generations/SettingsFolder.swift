public import Prompts
import Storage

/// What the user says about how a checkpoint is to be read.
public struct ImportOptions: Sendable {
    /// A file of the weights to take, where a folder holds several sets.
    public var weights: String?
    /// The vision part of a model in GGUF, where it is not the only one beside the text part.
    public var mmproj: String?
    /// The folders of adapters to merge, in this order.
    public var adapters: [String]
    /// How pictures are resized, where the reference has two ways.
    public var resampling: ImagePreprocessor.Resampling
    /// The chat template to take instead of the checkpoint's: a name of ``ChatTemplate/names`` or a file.
    public var chatTemplate: String?
    /// Settings to pass over although the model would answer otherwise, as `config.json:KEY`.
    public var ignoredSettings: Set<String>

    /// Options from their parts.
    public init(
        weights: String? = nil, mmproj: String? = nil, adapters: [String] = [],
        resampling: ImagePreprocessor.Resampling = .torchvision,
        chatTemplate: String? = nil,
        ignoredSettings: Set<String> = []
    ) {
        self.weights = weights
        self.mmproj = mmproj
        self.adapters = adapters
        self.resampling = resampling
        self.chatTemplate = chatTemplate
        self.ignoredSettings = ignoredSettings
    }
}

/// What a model is read from beside its weights, while it is being read.
struct SettingsFolder {
    let source: any ModelSource
    /// config.json.
    let config: SettingsReader
    let options: ImportOptions
    /// Tokens that end an answer, as far as the files state them.
    let stopTokens: [Int32]
    /// Tokens that the model knows.
    let embeddingRows: Int
    /// What became of the settings read so far.
    var ledger: SettingsLedger
    /// What the user should know beyond the ledger.
    var warnings: [String] = []
}
