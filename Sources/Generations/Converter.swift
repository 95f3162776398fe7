public import Checkpoints
public import Storage

/// What converts one generation's checkpoints. Its constant stands in the generation's file.
public struct Converter: Sendable {
    /// That of every generation, oldest first.
    public static let all: [Converter] = [.qwenVL, .qwen2VL, .qwen25VL, .qwen3VL]

    let generation: any Generation.Type

    init(_ generation: any Generation.Type) { self.generation = generation }

    /// The generation's name: `qwen2-vl`.
    public var name: String { generation.name }

    /// What its models are called: `Qwen2-VL`.
    public var family: String { generation.family }

    /// What it takes, in words.
    public var checkpoint: String { generation.checkpoint }

    /// The command's name.
    public var command: String { "tessera-from-\(name)" }

    /// Reads a checkpoint as published, or as later tools save it: its folder, or the text part of a model in GGUF, beside
    /// which the vision part lies.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    public func read(
        _ path: String, _ options: ImportOptions = ImportOptions()
    ) throws(Failure) -> ImportedModel {
        try ImportedModel(GivenModel.source(path, options), generation, options)
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
