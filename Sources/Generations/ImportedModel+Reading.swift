import Checkpoints
import GraphIR
public import Prompts
public import Storage

extension ImportedModel {
    /// A Qwen2-VL checkpoint as published, or as later tools save it.
    /// - Parameters:
    ///   - weights: a file of the weights to take, where a folder holds several sets.
    ///   - resampling: how pictures are resized; the reference has two ways.
    /// - Throws: `badInput` when anything is missing, unknown or does not fit.
    public static func qwen2VL(
        _ directory: String, weights: String? = nil,
        resampling: ImagePreprocessor.Resampling = .torchvision
    ) throws(Failure) -> ImportedModel {
        try ImportedModel(directory, Qwen2VL.self, weights, resampling)
    }

    /// A Qwen2.5-VL checkpoint as published, or as later tools save it; as `qwen2VL`.
    public static func qwen25VL(
        _ directory: String, weights: String? = nil,
        resampling: ImagePreprocessor.Resampling = .torchvision
    ) throws(Failure) -> ImportedModel {
        try ImportedModel(directory, Qwen25VL.self, weights, resampling)
    }

    /// A Qwen3-VL checkpoint, dense or of experts, as published, or as later tools save it; as `qwen2VL`.
    public static func qwen3VL(
        _ directory: String, weights: String? = nil,
        resampling: ImagePreprocessor.Resampling = .torchvision
    ) throws(Failure) -> ImportedModel {
        try ImportedModel(directory, Qwen3VL.self, weights, resampling)
    }

    /// A Qwen-VL or Qwen-VL-Chat checkpoint of 2023.
    /// - Parameters:
    ///   - weights: as with `qwen2VL`.
    ///   - resampling: makes no difference; the reference has one way, that of Pillow before 13.
    public static func qwenVL(
        _ directory: String, weights: String? = nil,
        resampling: ImagePreprocessor.Resampling = .pillowRowsFirst
    ) throws(Failure) -> ImportedModel {
        try ImportedModel(directory, QwenVL.self, weights, resampling)
    }

    private init<G: Generation>(
        _ directory: String, _: G.Type, _ weights: String?, _ resampling: ImagePreprocessor.Resampling
    ) throws(Failure) {
        try GivenFolder.check(directory)
        let file = Path.join(directory, "config.json")
        let reading = try ConfigurationReading<G>(try JSON(file: file, limit: 16 << 20), file: file)
        let (config, model) = (reading.config, reading.model)
        checkpoint = try Checkpoint(directory, weights: weights ?? WeightFiles.stated(by: config.json))
        let quantization = try config.json["quantization_config"].map { (json) throws(Failure) in
            try QuantizationConfig(json, file: file)
        }
        let stored = try StoredWeight.all(of: checkpoint, quantization: quantization)
        plan = try CheckpointPlan(
            reading, stored, of: directory, passedOver: checkpoint.passedOver)
        var warnings = checkpoint.warnings + plan.warnings
        if let stated = checkpoint.statedByteCount, stated != checkpoint.byteCount {
            warnings.append(
                "the index states \(stated) bytes of tensors, but the files hold \(checkpoint.byteCount)")
        }
        let defaults = try GenerationDefaults(directory, config)
        prompt = try model.makePrompt(
            directory, config, resampling: resampling, stopTokens: defaults.stopTokens, warnings: &warnings)
        if Tokenizer.exists(inCheckpoint: directory) {
            let read = try Tokenizer(checkpoint: directory)
            let placeholder = prompt.template.image.placeholder
            guard read.id(of: placeholder) == prompt.imageToken else {
                throw .badInput(
                    "the tokenizer's \(placeholder) is not token \(prompt.imageToken), as config.json has it",
                    file: directory)
            }
            tokenizer = read.serialized()
        } else {
            tokenizer = []
            warnings.append("the checkpoint has no tokenizer: only token ids can be fed to the model")
        }
        sampling = defaults.sampling
        self.warnings = warnings
    }
}
