public import Prompts
import Storage

/// What the user says about how a checkpoint is to be read.
public struct ImportOptions: Sendable {
    /// How pictures are resized, where the reference has two ways.
    public var resampling: ImagePreprocessor.Resampling
    /// Settings to pass over although the model would answer otherwise, as `config.json:KEY`.
    public var ignoredSettings: Set<String>

    /// Options from their parts.
    public init(
        resampling: ImagePreprocessor.Resampling = .torchvision, ignoredSettings: Set<String> = []
    ) {
        self.resampling = resampling
        self.ignoredSettings = ignoredSettings
    }
}

/// The files of a checkpoint's folder beside its weights, while they are being read.
struct SettingsFolder {
    let directory: String
    /// config.json.
    let config: SettingsReader
    let options: ImportOptions
    /// Tokens that end an answer, as far as the files state them.
    let stopTokens: [Int32]
    /// What became of the settings read so far.
    var ledger: SettingsLedger
    /// What the user should know beyond the ledger.
    var warnings: [String] = []
}
