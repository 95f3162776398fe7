public import Checkpoints
public import GraphIR
public import Prompts
public import Storage

/// A checkpoint understood: its graph, where each weight comes from, and how it is talked to.
public struct ImportedModel: Sendable {
    /// The generation's name: `qwen2-vl`.
    public let generation: String
    /// The files it was read from.
    public let checkpoint: Checkpoint
    /// What it computes.
    public let graph: ModelGraph
    /// Where each weight comes from.
    public let ledger: CoverageLedger
    /// How it is talked to.
    public let prompt: PromptSettings
    /// The checkpoint's own defaults for choosing tokens, in the words of `generation_config.json`.
    public let sampling: JSON
    /// Positions that the model was made for.
    public let contextLimit: Int
    /// The tokenizer's section; empty when the checkpoint has none.
    public let tokenizer: [UInt8]
    /// What the user should know.
    public let warnings: [String]

    /// The metadata of a bundle of this model.
    /// - Parameter sources: the digests of the checkpoint's files, in the order of `checkpoint.files`.
    public func metadata(sources: [Digest], recipe: JSON) -> JSON {
        .pairs([
            "general": .pairs([
                "architecture": .string(generation),
                "parameter_count": .int(graph.weights.reduce(0) { $0 + $1.shape.count }),
                "context_length": .int(contextLimit),
            ]),
            "prompt": prompt.json,
            "sampling": sampling,
            "provenance": .pairs([
                "tool": .string("tessera \(Tessera.version)"),
                "sources": .array(
                    zip(checkpoint.files, sources).map { file, digest in
                        .pairs([
                            "file": .string(file.name), "bytes": .int(file.byteCount),
                            "sha256": .string(digest.description),
                        ])
                    }),
                "recipe": recipe,
                "ledger": ledger.json,
            ]),
        ])
    }
}

/// The tool itself.
enum Tessera {
    static let version = "0.1.0"
}
