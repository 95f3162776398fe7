public import Storage

/// An adapter (LoRA, rsLoRA, DoRA) as PEFT saves it: `adapter_config.json` and `adapter_model.safetensors`, or `.bin`.
public struct Adapter: Sendable {
    /// The folder.
    public let directory: String
    /// The files it was read from, for provenance.
    public let files: [SourceFile]
    /// The model that it changes, as its trainer called it.
    public let base: String?
    /// The weights that it changes, each by the name that the trainer's model had for it.
    public let changes: [(name: String, change: Change)]
    /// What the user should know.
    public let warnings: [String]

    /// What becomes of a weight.
    public enum Change: Sendable {
        /// A product of low rank is added to it.
        case added(LowRankChange)
        /// It is this instead.
        case replaced(SourceTensor)
    }

    /// Reads the adapter in `directory`.
    /// - Throws: `.badInput` when it is none, when it has options that are not supported, or tensors that do not belong together.
    public init(_ directory: String) throws(Failure) {
        let file = Path.join(directory, "adapter_config.json")
        guard Path.isDirectory(directory), Path.isRegularFile(file) else {
            throw .badInput(
                "holds no adapter_config.json", file: directory,
                remedy: "give the folder of an adapter that peft saved")
        }
        let config = try AdapterConfig(SettingsReader(file: file, limit: 16 << 20))
        self.directory = directory
        base = config.base
        var opened: [WeightFile] = []
        let names = ["adapter_model.safetensors", "adapter_model.bin"]
        guard let name = names.first(where: { Path.exists(Path.join(directory, $0)) }),
            let container = ContainerKind(fileName: name)
        else {
            throw .badInput(
                "holds neither adapter_model.safetensors nor adapter_model.bin", file: directory,
                remedy: "is the download complete?")
        }
        opened.append(try container.open(Path.join(directory, name)))
        // What trainers of vision towers save beside the adapter: whole weights.
        let others = Path.join(directory, "non_lora_state_dict.bin")
        if Path.exists(others) { opened.append(try ContainerKind.pyTorch.open(others)) }
        let configFile = SourceFile(try MappedFile(file).identity)
        files = [configFile] + opened.map(\.source)
        warnings = opened.flatMap(\.warnings)
        if let item = opened.flatMap(\.passedOver).first {
            throw .badInput("'\(item.name)' is \(item.kind), which there is no reader for", file: directory)
        }
        changes = try AdapterTensors(opened.flatMap(\.tensors)).changes(
            config, file: Path.join(directory, name))
    }
}

/// The tensors of an adapter by the module that they change.
private struct AdapterTensors {
    private struct Module {
        var a: SourceTensor?
        var b: SourceTensor?
        var magnitude: SourceTensor?
        var isEmbedding = false
    }

    private var modules: [String: Module] = [:]
    private var order: [String] = []
    private var whole: [(name: String, tensor: SourceTensor)] = []

    init(_ tensors: [SourceTensor]) throws(Failure) {
        for tensor in tensors {
            guard tensor.shape.count > 0 else {
                throw tensor.failure(
                    "is empty: it was saved while its values were spread over several processes (ZeRO-3, FSDP)",
                    remedy: "save the adapter again with its parameters gathered "
                        + "(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py)")
            }
            try add(tensor)
        }
    }

    private mutating func add(_ tensor: SourceTensor) throws(Failure) {
        guard tensor.type.isFloat else { throw tensor.failure("holds \(tensor.type.rawValue), not floats") }
        // Names of adapters, and of what a trainer wrapped, stand in the middle.
        var words = tensor.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if words.starts(with: ["base_model", "model"]) { words.removeFirst(2) }
        words.removeAll { ["default", "modules_to_save", "original_module"].contains($0) }
        guard let mark = words.firstIndex(where: { $0.hasPrefix("lora_") }) else {
            words.removeAll { $0 == "base_layer" }
            whole.append((words.joined(separator: "."), tensor))
            return
        }
        let name = words[..<mark].filter { $0 != "base_layer" }.joined(separator: ".")
        if modules[name] == nil { order.append(name) }
        var module = modules[name] ?? Module()
        let earlier: SourceTensor?
        switch words[mark] {
        case "lora_A": (earlier, module.a) = (module.a, tensor)
        case "lora_B": (earlier, module.b) = (module.b, tensor)
        case "lora_embedding_A":
            (earlier, module.a) = (module.a, tensor)
            module.isEmbedding = true
        case "lora_embedding_B":
            (earlier, module.b) = (module.b, tensor)
            module.isEmbedding = true
        case "lora_magnitude_vector": (earlier, module.magnitude) = (module.magnitude, tensor)
        default: throw tensor.failure("is '\(words[mark])' of an adapter, which is not supported")
        }
        guard earlier == nil, words[(mark + 1)...].allSatisfy({ $0 == "weight" }) else {
            throw tensor.failure("is there twice, or of more than one adapter")
        }
        modules[name] = module
    }

    func changes(
        _ config: AdapterConfig, file: String
    ) throws(Failure) -> [(name: String, change: Adapter.Change)] {
        var changes = whole.map { (name: $0.name, change: Adapter.Change.replaced($0.tensor)) }
        for name in order {
            guard let module = modules[name] else { continue }
            guard let a = module.a, let b = module.b else {
                throw .badInput("has only one of the two matrices of '\(name)'", file: file)
            }
            guard a.shape.rank == 2, b.shape.rank == 2, a.shape.extents[0] == b.shape.extents[1] else {
                throw a.failure("has shape \(a.shape), which does not go with \(b.shape) of '\(b.name)'")
            }
            if module.magnitude == nil && config.hasMagnitudes {
                throw a.failure("is of a DoRA adapter, but '\(name)' has no lora_magnitude_vector")
            }
            if let magnitude = module.magnitude {
                guard config.hasMagnitudes else {
                    throw magnitude.failure("is of DoRA, which use_dora in adapter_config.json denies")
                }
                guard !module.isEmbedding else {
                    throw magnitude.failure("is of an embedding, whose magnitudes are not supported")
                }
            }
            changes.append(
                (
                    "\(name).weight",
                    .added(
                        LowRankChange(
                            a: a, b: b, magnitude: module.magnitude, isTransposed: module.isEmbedding,
                            scale: config.scale(name, rank: a.shape.extents[0])))
                ))
        }
        guard !changes.isEmpty else { throw .badInput("holds no tensor", file: file) }
        return changes
    }
}
