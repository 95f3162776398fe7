public import Checkpoints
public import Prompts
public import Storage

/// What can be told of a checkpoint's folder, or of a model in GGUF, before it is converted, as far as it can be read.
///
/// Each part is looked at by itself: what one of them lacks does not hide the others.
public struct CheckpointSurvey: Sendable {
    /// What was given.
    public let directory: String
    /// config.json, or what the metadata of GGUF files are in its words.
    public let config: JSON?
    /// The weight files.
    public let files: WeightFiles?
    /// Those that would be read.
    public let checkpoint: Checkpoint?
    /// The tokenizer of all its files.
    public let tokenizer: Tokenizer?
    /// What a conversion would read; nil when it would refuse.
    public let model: ImportedModel?
    /// Why a conversion would refuse.
    public let refusal: Failure?
    /// What else could not be read.
    public let problems: [Failure]
    /// Names in the folder, of what there is one.
    public let names: [String]
    /// The text part of a model in GGUF, which holds its tokenizer and template, too.
    private let textPart: String?

    /// Looks at a folder or a file; nothing that is odd about it is an error.
    /// - Parameters:
    ///   - weights: a file of the weights to take, where there are several sets.
    ///   - mmproj: the vision part of a model in GGUF.
    public init(_ directory: String, weights: String? = nil, mmproj: String? = nil) {
        var seen: [Failure] = []
        func attempt<Result>(_ body: () throws(Failure) -> Result) -> Result? {
            do { return try body() } catch {
                if !seen.contains(error) { seen.append(error) }
                return nil
            }
        }
        self.directory = directory
        names = (try? Path.list(directory)) ?? []
        let options = ImportOptions(weights: weights, mmproj: mmproj)
        let source = attempt { () throws(Failure) in try GivenModel.source(directory, options) }
        let configuration = source.flatMap { source in
            attempt { () throws(Failure) in try source.configuration() }
        }
        config = configuration?.json
        textPart = source is GGUFSource ? source?.origin : nil
        let folder = Path.isDirectory(directory) ? directory : Path.directory(directory)
        guard let source, let configuration else {
            files = try? WeightFiles(folder)
            (checkpoint, tokenizer, model, refusal, problems) = (nil, nil, nil, seen.first, [])
            return
        }
        let found = attempt { () throws(Failure) in
            try ModelTypes.converter(for: configuration.json, file: configuration.file)
                .read(directory, options)
        }
        refusal = seen.first
        model = found
        files = attempt { () throws(Failure) in try WeightFiles(folder) }
        checkpoint =
            found?.checkpoint
            ?? attempt { () throws(Failure) in
                try source.weights(SettingsReader(configuration.json, file: configuration.file)).0
            }
        var ledger = SettingsLedger(ignoring: [])
        tokenizer = attempt { () throws(Failure) in try source.tokenizer(&ledger)?.tokenizer } ?? nil
        problems = seen.filter { $0 != seen.first }
    }

    /// The command that converts it, or would if nothing was wrong.
    public var command: String? { config.flatMap(ModelTypes.converter)?.command }

    /// How the weights are quantized, as far as config.json or the names of tensors say; nil when they do not.
    public var quantization: String? {
        let keys = ["quantization_config", "quantization", "compression_config"]
        let stated = config.flatMap { config in keys.lazy.compactMap { config[$0] }.first }
        let shown = [
            "quant_method", "format", "checkpoint_format", "packing_format", "quant_algo", "fmt", "bits",
            "group_size", "mode", "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type",
        ]
        if let stated {
            let words = shown.compactMap { key in stated[key].map { "\(key) \($0.string ?? $0.serialized())" }
            }
            return words.isEmpty ? "stated without a method" : words.joined(separator: ", ")
        }
        let marks = [
            (".quant_state.bitsandbytes", "bitsandbytes 4 bits, by the names of tensors"),
            (".SCB", "bitsandbytes int8, by the names of tensors"),
            (".qweight", "words of codes (GPTQ or AWQ), by the names of tensors"),
            (".weight_packed", "compressed-tensors, by the names of tensors"),
        ]
        if let blocks = checkpoint?.blocks, !blocks.isEmpty { return "blocks of GGUF" }
        let all = (checkpoint?.names ?? []) + (checkpoint?.passedOver.map(\.name) ?? [])
        return marks.first { mark in all.contains { $0.contains(mark.0) } }?.1
    }

    /// How many tensors there are of each type, most first.
    public var types: [(name: String, count: Int)] {
        var counts: [String: Int] = [:]
        for tensor in checkpoint?.tensors ?? [] { counts[tensor.type.rawValue, default: 0] += 1 }
        for tensor in checkpoint?.blocks ?? [] { counts[tensor.type.name, default: 0] += 1 }
        for item in checkpoint?.passedOver ?? [] { counts[item.kind, default: 0] += 1 }
        return counts.map { ($0.key, $0.value) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// Those of these files that are there.
    private func present(_ wanted: [String]) -> [String] { wanted.filter(names.contains) }

    /// The files that the tokenizer is read from.
    public var tokenizerFiles: [String] {
        if let textPart { return [Path.name(textPart)] }
        return present([
            "tokenizer.json", "vocab.json", "merges.txt", "qwen.tiktoken", "tokenizer_config.json",
            "added_tokens.json", "special_tokens_map.json",
        ])
    }

    /// The files that say how pictures and videos are prepared.
    public var processorFiles: [String] {
        present(["preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"])
    }

    /// The file that the chat template stands in.
    public var templateFile: String? {
        if let textPart {
            let origin = model?.prompt.template.origin
            return origin == .checkpoint(file: Path.name(textPart)) ? Path.name(textPart) : nil
        }
        if let file = present(["chat_template.jinja", "chat_template.json"]).first { return file }
        let settings = Path.join(directory, "tokenizer_config.json")
        let json = Path.isRegularFile(settings) ? try? JSON(file: settings) : nil
        return json?["chat_template"] == nil ? nil : "tokenizer_config.json"
    }
}
