import Storage

/// What each `model_type` of config.json is, and what converts it.
enum ModelTypes {
    /// What is not converted. A type that ends in `*` stands for everything that begins so, unless it is listed itself.
    private static let others: [(type: String, what: String)] = [
        ("qwen2_5_omni*", "Qwen2.5-Omni, which hears and speaks"),
        ("qwen3_omni*", "Qwen3-Omni, which hears and speaks"),
        ("qwen2_audio*", "Qwen2-Audio, which hears and does not see"),
        ("qwen3_5*", "Qwen3.5, a later generation than there is a converter for"),
        ("qwen3_next", "Qwen3-Next, which reads text alone"),
        ("qwen2", "a text-only Qwen2 or Qwen2.5"),
        ("qwen2_moe", "a text-only Qwen of experts"),
        ("qwen3", "a text-only Qwen3"),
        ("qwen3_moe", "a text-only Qwen3 of experts"),
        ("colqwen*", embedding), ("colpali*", embedding), ("gme*", embedding),
        ("qwen3_vl_embedding*", embedding), ("qwen3_vl_reranker*", embedding), ("jina*", embedding),
        ("llava*", family("LLaVA")), ("internvl*", family("InternVL")), ("mllama*", family("Llama")),
        ("llama*", family("Llama")), ("gemma*", family("Gemma")), ("paligemma*", family("PaliGemma")),
        ("idefics*", family("Idefics")), ("smolvlm*", family("SmolVLM")), ("mistral*", family("Mistral")),
        ("mixtral*", family("Mistral")), ("pixtral*", family("Mistral")), ("phi*", family("Phi")),
        ("minicpm*", family("MiniCPM")), ("deepseek*", family("DeepSeek")), ("glm*", family("GLM")),
        ("kimi*", family("Kimi")), ("ovis*", family("Ovis")), ("molmo*", family("Molmo")),
        ("florence*", family("Florence")), ("blip*", family("BLIP")), ("instructblip*", family("BLIP")),
        ("clip*", family("CLIP")), ("siglip*", family("SigLIP")), ("whisper*", family("Whisper")),
        ("bert*", family("BERT")), ("xlm*", family("BERT")), ("gpt*", family("GPT")),
    ]

    private static let embedding = "a model for searching, which gives vectors or scores and no text"

    private static func family(_ name: String) -> String { "a model of the \(name) family" }

    /// What a type of model is that is not converted, or an architecture of llama.cpp's that is called alike; nil when it is
    /// not known.
    static func description(of type: String) -> String? {
        part(type) ?? others.first { $0.type == type }?.what
            ?? others.first { $0.type.hasSuffix("*") && type.hasPrefix($0.type.dropLast()) }?.what
    }

    private static func part(_ type: String) -> String? {
        for model in Converter.all.map(\.generation) {
            if let part = model.parts[type] { return "the \(part) of \(model.family) alone" }
        }
        return nil
    }

    /// What converts a checkpoint of this configuration.
    /// - Throws: `badInput` where nothing does, saying what it is.
    static func converter(for config: JSON, file: String) throws(Failure) -> Converter {
        try check(config, against: Converter.all.flatMap { $0.generation.modelTypes }, file: file)
        guard let converter = converter(for: config) else {
            throw .badInput("is of no model type that a command converts", file: file)
        }
        return converter
    }

    /// What converts models of this type, if there is such a thing.
    static func converter(for config: JSON) -> Converter? {
        guard let type = config["model_type"]?.string else { return nil }
        return Converter.all.first { $0.generation.modelTypes.contains(type) }
    }

    /// Refuses a checkpoint of another generation, saying what it is and which command wants it.
    static func check(_ config: JSON, against supported: [String], file: String) throws(Failure) {
        guard let type = config["model_type"]?.string else {
            throw .badInput("lacks 'model_type'", file: file)
        }
        guard supported.contains(type) else {
            let problem = "is of model type '\(type)'"
            let wanted = "not '\(supported.joined(separator: "' or '"))'"
            if let converter = converter(for: config) {
                throw .badInput("\(problem), \(wanted)", file: file, remedy: "use \(converter.command)")
            }
            let explained = description(of: type).map { "\(problem): \($0)" } ?? "\(problem), \(wanted)"
            throw .badInput(
                explained, file: file,
                remedy: part(type) == nil ? convertible : "give the folder of the whole model")
        }
        if let name = searching(config) { throw .badInput("names '\(name)': \(embedding)", file: file) }
    }

    private static var convertible: String {
        let families = Converter.all.map(\.family)
        return "the converters take \(families.dropLast().joined(separator: ", ")) and \(families.last ?? "")"
    }

    /// What an architecture or a class of the checkpoint's own code is called that gives no text.
    private static func searching(_ config: JSON) -> String? {
        let classes = (config["auto_map"]?.members ?? []).flatMap { member in
            member.value.string.map { [$0] } ?? member.value.strings ?? []
        }
        let names = (config["architectures"]?.strings ?? []) + classes
        let marks = [
            "gme", "colqwen", "embedding", "retrieval", "rerank", "ranking", "sequenceclassification",
            "tokenclassification", "reward",
        ]
        return names.first { name in marks.contains { name.lowercased().contains($0) } }
    }
}
