import Checkpoints
import Formats
import GraphIR
public import Prompts
public import Storage

extension ImportedModel {
    /// Reads a Qwen2-VL checkpoint as published, or as later tools save it.
    /// - Parameter resampling: how pictures are resized; the reference has two ways.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    public static func qwen2VL(
        _ directory: String, resampling: ImagePreprocessor.Resampling = .torchvision
    ) throws(Failure) -> ImportedModel {
        let table = try NameTable(Formats.qwen2VL)
        let file = Path.join(directory, "config.json")
        guard Path.isDirectory(directory) else { throw .badInput("is no folder", file: directory) }
        guard Path.exists(file) else { throw .badInput("holds no config.json", file: directory) }
        let config = ConfigReader(try JSON(file: file, limit: 16 << 20), file: file)
        try ModelTypes.check(config.json, against: table.modelTypes, file: file)
        let model = try Qwen2VL(config)
        let graph = try model.makeGraph()
        let checkpoint = try Checkpoint(directory)
        let ledger = try CoverageLedger(
            checkpoint, table, graph, extents: model.vision.extents,
            unneeded: model.text.tied
                ? ["text.head.weight": "the head is the embedding (tie_word_embeddings)"] : [:])

        var warnings: [String] = []
        let (template, recognition) = try ChatTemplate.recognize(checkpoint: directory)
        if let warning = recognition.warning { warnings.append(warning) }
        let defaults = try GenerationDefaults(directory, config)
        var images = try ImagePreprocessor(checkpoint: directory)
        images.resampling = resampling
        try model.vision.check(images, file: directory)
        var tokenizer: [UInt8] = []
        if ["tokenizer.json", "vocab.json"].contains(where: { Path.exists(Path.join(directory, $0)) }) {
            tokenizer = try Tokenizer(checkpoint: directory).serialized()
        } else {
            warnings.append("the checkpoint has no tokenizer: only token ids can be fed to the model")
        }
        return ImportedModel(
            generation: table.generation, checkpoint: checkpoint, graph: graph, ledger: ledger,
            prompt: PromptSettings(
                template: template, images: images, positions: .qwen2VL,
                imageToken: try config.token("image_token_id"),
                videoToken: try config.token("video_token_id"),
                stopTokens: defaults.stopTokens, coordinates: .thousandths),
            sampling: defaults.sampling, contextLimit: model.text.contextLimit, tokenizer: tokenizer,
            warnings: warnings)
    }
}

extension Qwen2VL.Vision {
    /// What the words of the name table's shapes stand for.
    fileprivate var extents: [String: Int] {
        [
            "embed_dim": width, "in_channels": channels, "temporal_patch_size": temporalPatch,
            "patch_size": patch,
        ]
    }

    /// Refuses preprocessing that would make other patches than the tower takes.
    fileprivate func check(_ images: ImagePreprocessor, file: String) throws(Failure) {
        guard images.patchSize == patch, images.temporalPatchSize == temporalPatch, images.mergeSize == merge
        else {
            throw .badInput("the image processor and the vision tower disagree about patches", file: file)
        }
    }
}
