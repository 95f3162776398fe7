import Storage

/// What each `model_type` of config.json is, and which command converts it.
enum ModelTypes {
    private enum Kind {
        /// A model that is converted.
        case converted(by: Converter)
        /// Something else, with what can be done.
        case other(String, remedy: String? = nil)
    }

    private static let visionRemedy = "the converters take Qwen-VL, Qwen2-VL, Qwen2.5-VL and Qwen3-VL"

    /// Whole names first; those that end in `*` stand for everything that begins so.
    private static let kinds: [(type: String, kind: Kind)] = [
        ("qwen", .converted(by: .qwenVL)),
        ("qwen2_vl", .converted(by: .qwen2VL)),
        ("qwen2_5_vl", .converted(by: .qwen25VL)),
        ("qwen3_vl", .converted(by: .qwen3VL)),
        ("qwen3_vl_moe", .converted(by: .qwen3VL)),
        ("qwen2_vl_text", part("decoder", of: "Qwen2-VL")),
        ("qwen2_5_vl_text", part("decoder", of: "Qwen2.5-VL")),
        ("qwen3_vl_text", part("decoder", of: "Qwen3-VL")),
        ("qwen3_vl_moe_text", part("decoder", of: "Qwen3-VL")),
        ("qwen3_vl_vision", part("vision tower", of: "Qwen3-VL")),
        ("qwen3_vl_moe_vision", part("vision tower", of: "Qwen3-VL")),
        ("qwen2_5_omni*", other("Qwen2.5-Omni, which hears and speaks")),
        ("qwen3_omni*", other("Qwen3-Omni, which hears and speaks")),
        ("qwen2_audio*", other("Qwen2-Audio, which hears and does not see")),
        ("qwen3_5*", other("Qwen3.5, a later generation than there is a converter for")),
        ("qwen3_next", other("Qwen3-Next, which reads text alone")),
        ("qwen2", other("a text-only Qwen2 or Qwen2.5")),
        ("qwen2_moe", other("a text-only Qwen of experts")),
        ("qwen3", other("a text-only Qwen3")),
        ("qwen3_moe", other("a text-only Qwen3 of experts")),
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

    private static func other(_ what: String) -> Kind { .other(what, remedy: visionRemedy) }

    private static func family(_ name: String) -> Kind {
        .other("a model of the \(name) family", remedy: visionRemedy)
    }

    private static func part(_ part: String, of model: String) -> Kind {
        .other("the \(part) of \(model) alone", remedy: "give the folder of the whole model")
    }

    private static let embedding = Kind.other(
        "a model for searching, which gives vectors or scores and no text", remedy: visionRemedy)

    private static func kind(of type: String) -> Kind? {
        kinds.first { $0.type == type }?.kind
            ?? kinds.first { $0.type.hasSuffix("*") && type.hasPrefix($0.type.dropLast()) }?.kind
    }

    /// What a type of model is, or an architecture of llama.cpp's that is called alike; nil when it is not known.
    static func description(of type: String) -> String? {
        if case .other(let what, _)? = kind(of: type) { what } else { nil }
    }

    /// All that a command converts.
    private static var convertible: [String] {
        kinds.compactMap { if case .converted = $0.kind { $0.type } else { nil } }
    }

    /// What converts a checkpoint of this configuration.
    /// - Throws: `badInput` where nothing does, saying what it is.
    static func converter(for config: JSON, file: String) throws(Failure) -> Converter {
        try check(config, against: convertible, file: file)
        guard let converter = converter(for: config) else {
            throw .badInput("is of no model type that a command converts", file: file)
        }
        return converter
    }

    /// What converts models of this type, if there is such a thing.
    static func converter(for config: JSON) -> Converter? {
        guard let type = config["model_type"]?.string, case .converted(let converter)? = kind(of: type)
        else { return nil }
        return converter
    }

    /// Refuses a checkpoint of another generation, saying what it is and which command wants it.
    static func check(_ config: JSON, against supported: [String], file: String) throws(Failure) {
        guard let type = config["model_type"]?.string else {
            throw .badInput("lacks 'model_type'", file: file)
        }
        guard supported.contains(type) else {
            let problem = "is of model type '\(type)'"
            let wanted = "not '\(supported.joined(separator: "' or '"))'"
            switch kind(of: type) {
            case .converted(let converter)?:
                throw .badInput("\(problem), \(wanted)", file: file, remedy: "use \(converter.command)")
            case .other(let what, let remedy)?:
                throw .badInput("\(problem): \(what)", file: file, remedy: remedy)
            case nil: throw .badInput("\(problem), \(wanted)", file: file, remedy: visionRemedy)
            }
        }
        if let name = searching(config) {
            throw .badInput(
                "names '\(name)': a model for searching, which gives vectors or scores and no text",
                file: file)
        }
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
