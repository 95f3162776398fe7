public import Checkpoints
public import Prompts
public import Storage

/// A checkpoint understood: what becomes of its weights, and how it is talked to.
public struct ImportedModel: Sendable {
    /// Where its weights lie.
    public let checkpoint: Checkpoint
    /// The files of weights, adapters' among them, for provenance.
    public let files: [SourceFile]
    /// Its graph, and where each weight comes from.
    public let plan: CheckpointPlan
    /// Tensors by which it drafts tokens for itself, which the plan leaves out.
    public let drafting: DraftingTensors
    /// How it is talked to.
    public let prompt: PromptSettings
    /// The checkpoint's own defaults for choosing tokens, in the words of `generation_config.json`.
    public let sampling: JSON
    /// The tokenizer's section; empty when the checkpoint has none.
    public let tokenizer: [UInt8]
    /// What became of the settings in its files.
    public let settings: SettingsLedger
    /// What was done on request.
    public let notes: [String]
    /// What the user should know, of the plan, the settings and beyond.
    public let warnings: [String]

    /// The metadata of a bundle of this model.
    /// - Parameter sources: the digests of `files`, in their order.
    public func metadata(sources: [Digest], recipe: JSON) -> JSON {
        .pairs([
            "general": .pairs([
                "architecture": .string(plan.generation),
                "parameter_count": .int(plan.parameterCount),
                "context_length": .int(plan.contextLimit),
            ]),
            "prompt": prompt.json,
            "sampling": sampling,
            "provenance": .pairs([
                "tool": .string("tessera \(Tessera.version)"),
                "sources": .array(
                    zip(files, sources).map { file, digest in
                        .pairs([
                            "file": .string(file.name), "bytes": .int(file.byteCount),
                            "sha256": .string(digest.description),
                        ])
                    }),
                "recipe": recipe,
                "ledger": plan.ledger.json,
                "settings": settings.json,
            ]),
        ])
    }
}

/// The tool itself.
enum Tessera {
    static let version = "0.2.0"
}
