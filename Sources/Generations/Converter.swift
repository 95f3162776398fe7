public import Checkpoints
public import Storage

/// A generation that can be converted: the command that does so, and how it reads what it is given.
public struct Converter: Sendable {
    /// The command's name.
    public let command: String
    /// Reads a checkpoint's folder, or the text part of a model in GGUF.
    public let read: @Sendable (String, ImportOptions) throws(Failure) -> ImportedModel
    /// Reads a manifest.
    public let plan: @Sendable (CheckpointManifest) throws(Failure) -> CheckpointPlan
    /// Makes up a model of a manifest's shapes.
    let random: @Sendable (CheckpointManifest) throws(Failure) -> ImportedModel

    /// Qwen-VL and Qwen-VL-Chat (2023).
    public static let qwenVL = Converter(
        command: "tessera-from-qwen-vl", read: ImportedModel.qwenVL, plan: CheckpointPlan.qwenVL,
        random: { (manifest) throws(Failure) in try ImportedModel(RandomSource(manifest), QwenVL.self) })
    /// Qwen2-VL.
    public static let qwen2VL = Converter(
        command: "tessera-from-qwen2-vl", read: ImportedModel.qwen2VL, plan: CheckpointPlan.qwen2VL,
        random: { (manifest) throws(Failure) in try ImportedModel(RandomSource(manifest), Qwen2VL.self) })
    /// Qwen2.5-VL.
    public static let qwen25VL = Converter(
        command: "tessera-from-qwen2.5-vl", read: ImportedModel.qwen25VL, plan: CheckpointPlan.qwen25VL,
        random: { (manifest) throws(Failure) in try ImportedModel(RandomSource(manifest), Qwen25VL.self) })
    /// Qwen3-VL, dense or of experts.
    public static let qwen3VL = Converter(
        command: "tessera-from-qwen3-vl", read: ImportedModel.qwen3VL, plan: CheckpointPlan.qwen3VL,
        random: { (manifest) throws(Failure) in try ImportedModel(RandomSource(manifest), Qwen3VL.self) })
}

extension ImportedModel {
    /// A checkpoint of whatever generation its configuration says: its folder, or the text part of a model in GGUF.
    /// - Throws: `badInput` when it is of none that is converted, saying what it is, and whatever its generation refuses.
    public static func ofAnyGeneration(
        _ path: String, _ options: ImportOptions = ImportOptions()
    ) throws(Failure) -> ImportedModel {
        let (config, file) = try GivenModel.source(path, options).configuration()
        return try ModelTypes.converter(for: config, file: file).read(path, options)
    }
}
