internal import Storage

/// What `adapter_config.json` says of how an adapter is merged (PEFT 0.21, `LoraConfig`).
struct AdapterConfig {
    /// The model that it changes, as its trainer called it.
    let base: String?
    /// Whether rows keep magnitudes of their own: DoRA.
    let hasMagnitudes: Bool
    private let alpha: Double
    private let alphaPatterns: [(pattern: ModulePattern, alpha: Double)]
    private let isRankStabilized: Bool

    init(_ settings: SettingsReader) throws(Failure) {
        func failure(_ key: String, _ problem: String, remedy: String? = nil) -> Failure {
            .badInput(problem, file: settings.file, at: key, remedy: remedy)
        }
        let kind = settings["peft_type"]?.string ?? "LORA"
        guard kind == "LORA" else {
            throw failure(
                "peft_type", "is \"\(kind)\", which there is no reader for", remedy: "supported: LORA")
        }
        for member in settings.json.members ?? [] where !Self.known.contains(member.key) {
            guard !Self.isOff(member.value) else { continue }
            throw failure(
                member.key, "is \(member.value.serialized()), which is not supported",
                remedy: "merge the adapter with peft (merge_and_unload, save_pretrained) and convert that")
        }
        if let bias = settings["bias"]?.string, bias != "none" {
            throw failure("bias", "is \"\(bias)\": trained biases are not supported")
        }
        if let start = settings["init_lora_weights"]?.string, !Self.harmlessStarts.contains(start) {
            throw failure(
                "init_lora_weights",
                "is \"\(start)\", which changes the weights of the model before training: the published ones are not what "
                    + "the adapter belongs to",
                remedy: "merge it with the model that was trained")
        }
        base = settings["base_model_name_or_path"]?.string
        hasMagnitudes = settings["use_dora"]?.bool ?? false
        isRankStabilized = settings["use_rslora"]?.bool ?? false
        guard let alpha = settings["lora_alpha"]?.double ?? (settings["lora_alpha"] == nil ? 8 : nil),
            alpha.isFinite
        else { throw failure("lora_alpha", "is no number") }
        self.alpha = alpha
        var patterns: [(pattern: ModulePattern, alpha: Double)] = []
        for member in settings["alpha_pattern"]?.members ?? [] {
            guard let alpha = member.value.double, alpha.isFinite else {
                throw failure("alpha_pattern.\(member.key)", "is no number")
            }
            do { patterns.append((try ModulePattern(member.key), alpha)) } catch {
                throw error.placed(in: "alpha_pattern").located(in: settings.file)
            }
        }
        alphaPatterns = patterns
    }

    /// What the product of a module's matrices is multiplied by: alpha / r, or alpha / √r (rsLoRA).
    /// - Parameters:
    ///   - module: its name in memory.
    ///   - rank: r, the extent that its matrices share.
    func scale(_ module: String, rank: Int) -> Float {
        let alpha = alphaPatterns.first { $0.pattern.matches(module) }?.alpha ?? alpha
        return Float(alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)))
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
        "eva_config", "runtime_config", "ensure_weight_tying", "enable_lora", "use_fp32_lora",
        "parent_library",
    ]
}
