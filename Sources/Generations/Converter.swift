public import Checkpoints
public import Storage

/// A generation that can be converted: the command that does so, and how it reads what it is given.
public enum Converter: Sendable {
    /// Qwen-VL and Qwen-VL-Chat (2023).
    case qwenVL
    /// Qwen2-VL.
    case qwen2VL
    /// Qwen2.5-VL.
    case qwen25VL
    /// Qwen3-VL, dense or of experts.
    case qwen3VL

    /// The command's name.
    public var command: String {
        switch self {
        case .qwenVL: "tessera-from-qwen-vl"
        case .qwen2VL: "tessera-from-qwen2-vl"
        case .qwen25VL: "tessera-from-qwen2.5-vl"
        case .qwen3VL: "tessera-from-qwen3-vl"
        }
    }

    private var generation: any Generation.Type {
        switch self {
        case .qwenVL: QwenVL.self
        case .qwen2VL: Qwen2VL.self
        case .qwen25VL: Qwen25VL.self
        case .qwen3VL: Qwen3VL.self
        }
    }

    /// Reads a checkpoint's folder, or the text part of a model in GGUF.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    public func read(_ path: String, _ options: ImportOptions) throws(Failure) -> ImportedModel {
        try ImportedModel(path, generation, options)
    }

    /// Reads a manifest.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    public func plan(_ manifest: CheckpointManifest) throws(Failure) -> CheckpointPlan {
        try CheckpointPlan(manifest, generation)
    }

    /// Makes up a model of a manifest's shapes.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    func random(_ manifest: CheckpointManifest) throws(Failure) -> ImportedModel {
        try ImportedModel(RandomSource(manifest), generation)
    }
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
