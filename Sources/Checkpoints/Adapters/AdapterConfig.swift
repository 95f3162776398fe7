internal import Storage

/// What `adapter_config.json` says of how an adapter is merged (PEFT 0.21, `LoraConfig`).
struct AdapterConfig {
    /// The model that it changes, as its trainer called it.
    let base: String?
    /// Whether rows keep magnitudes of their own: DoRA.
    let hasMagnitudes: Bool
    private let rank: Int
    private let alpha: Double
    private let isRankStabilized: Bool
    private var ranks: ModulePatterns
    private var alphas: ModulePatterns

    init(_ settings: SettingsReader) throws(Failure) {
        try Self.check(settings)
        base = try settings.word("base_model_name_or_path")
        hasMagnitudes = try settings.bool("use_dora") ?? false
        isRankStabilized = try settings.bool("use_rslora") ?? false
        rank = try settings.int("r", default: 8)
        ranks = try ModulePatterns("rank_pattern", settings)
        alphas = try ModulePatterns("alpha_pattern", settings)
        if let json = settings["lora_alpha"] {
            guard let number = json.double, number.isFinite else {
                throw settings.invalid("lora_alpha", json)
            }
            alpha = number
        } else {
            alpha = 8
        }
    }

    /// Refuses what is set and would make the merged weights others than those that are computed here.
    private static func check(_ settings: SettingsReader) throws(Failure) {
        func failure(_ key: String, _ problem: String, remedy: String = Adapter.mergeWithPeft) -> Failure {
            .badInput(problem, file: settings.file, at: key, remedy: remedy)
        }
        let kind = try settings.word("peft_type") ?? "LORA"
        guard kind == "LORA" else {
            throw failure("peft_type", "is \"\(kind)\", and not LORA, the one that is supported")
        }
        for member in settings.json.members ?? [] where !known.contains(member.key) && !isOff(member.value) {
            throw failure(member.key, "is \(member.value.serialized()), which is not supported")
        }
        if let bias = try settings.word("bias"), bias != "none" {
            throw failure("bias", "is \"\(bias)\": trained biases are not supported")
        }
        if let json = settings["init_lora_weights"], json.bool == nil {
            guard let start = json.string else { throw settings.invalid("init_lora_weights", json) }
            guard harmlessStarts.contains(start) else {
                throw failure(
                    "init_lora_weights",
                    "is \"\(start)\", which changes the weights of the model before training: the published ones are not "
                        + "what the adapter belongs to",
                    remedy:
                        "have peft save it for the published model (path_initial_model_for_weight_conversion), or "
                        + "merge it with the model that was trained")
            }
        }
    }

    /// What the product of a module's matrices is multiplied by: alpha / r, or alpha / √r (rsLoRA); and the rank that is
    /// stated for it.
    /// - Parameters:
    ///   - module: its name in the trainer's model.
    ///   - rank: r, the extent that its matrices share.
    /// - Throws: `.badInput` when the factor is beyond float32, or the patterns take too long to match.
    mutating func scaling(_ module: String, rank: Int) throws(Failure) -> (factor: Float, statedRank: Double)
    {
        let alpha = try alphas.value(of: module) ?? alpha
        let factor = Float(alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)))
        guard factor.isFinite else {
            throw .badInput("is \(alpha), which no adapter is multiplied by", at: "lora_alpha of '\(module)'")
        }
        return (factor, try ranks.value(of: module) ?? Double(self.rank))
    }

    /// Whether a setting is not used: null, false, or empty.
    private static func isOff(_ value: JSON) -> Bool {
        value == .null || value == false || value.members?.isEmpty == true || value.array?.isEmpty == true
    }

    /// Starts from which the weights of the model are not changed.
    private static let harmlessStarts = ["gaussian", "eva", "orthogonal", "mica", "default"]

    /// Settings that are obeyed, or make no difference to what is merged: the tensors themselves tell which modules are changed.
    private static let known: Set<String> = [
        "peft_type", "base_model_name_or_path", "use_dora", "use_rslora", "lora_alpha", "alpha_pattern", "r",
        "rank_pattern", "bias", "init_lora_weights", "task_type", "revision", "inference_mode",
        "auto_mapping",
        "peft_version", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save",
        "layers_to_transform", "layers_pattern", "megatron_core", "megatron_config", "qalora_group_size",
        "eva_config", "runtime_config", "ensure_weight_tying", "use_fp32_lora",
        "parent_library",
    ]
}

extension SettingsReader {
    /// The text under `key`; nil when absent.
    fileprivate func word(_ key: String) throws(Failure) -> String? {
        guard let value = self[key] else { return nil }
        guard let word = value.string else { throw invalid(key, value) }
        return word
    }
}
