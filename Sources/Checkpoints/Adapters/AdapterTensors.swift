internal import Storage

/// The tensors of an adapter by the module that they change.
struct AdapterTensors {
    private struct Module {
        var a: SourceTensor?
        var b: SourceTensor?
        var magnitude: SourceTensor?
    }

    private let file: String
    private var modules: [String: Module] = [:]
    private var order: [String] = []
    private var whole: [(name: String, tensor: SourceTensor)] = []

    /// - Throws: `.badInput` when a tensor is none of an adapter's, or there are two for one purpose.
    init(_ tensors: [SourceTensor], file: String) throws(Failure) {
        self.file = file
        for tensor in tensors { try add(tensor) }
        guard !tensors.isEmpty else { throw .badInput("holds no tensor", file: file) }
    }

    private mutating func add(_ tensor: SourceTensor) throws(Failure) {
        guard tensor.shape.count > 0 else { throw tensor.scattered("is empty") }
        guard tensor.type.isFloat else { throw tensor.failure("holds \(tensor.type.rawValue), not floats") }
        // The adapter's name, and what PEFT wraps a module in, stand in the middle. Beside the matrices of embeddings and
        // heads lies what they are added to, a `base_layer`.
        var words = tensor.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if words.starts(with: ["base_model", "model"]) { words.removeFirst(2) }
        words.removeAll { ["default", "modules_to_save", "base_layer"].contains($0) }
        guard let mark = words.firstIndex(where: { $0.hasPrefix("lora_") }) else {
            whole.append((words.joined(separator: "."), tensor))
            return
        }
        guard words[(mark + 1)...].allSatisfy({ $0 == "weight" }) else {
            throw tensor.failure(
                "is of more than one adapter, or no weight",
                remedy: "have peft save the one adapter by itself")
        }
        try add(tensor, words[mark], of: words[..<mark].joined(separator: "."))
    }

    private mutating func add(_ tensor: SourceTensor, _ kind: String, of name: String) throws(Failure) {
        if modules[name] == nil { order.append(name) }
        var module = modules[name] ?? Module()
        let earlier: SourceTensor?
        switch kind {
        case "lora_A", "lora_embedding_A": (earlier, module.a) = (module.a, tensor)
        case "lora_B", "lora_embedding_B": (earlier, module.b) = (module.b, tensor)
        case "lora_magnitude_vector": (earlier, module.magnitude) = (module.magnitude, tensor)
        default:
            throw tensor.failure(
                "is '\(kind)' of an adapter, which is not supported", remedy: Adapter.mergeWithPeft)
        }
        if let earlier {
            throw tensor.failure("and '\(earlier.name)' are the same matrix of an adapter")
        }
        modules[name] = module
    }

    /// The weights that are changed, whole ones first, and what the user should know.
    /// - Throws: `.badInput` when tensors do not belong together, or to what the configuration says.
    func changes(
        _ config: AdapterConfig
    ) throws(Failure) -> (changes: [(name: String, change: Adapter.Change)], warnings: [String]) {
        var config = config
        var changes = whole.map { (name: $0.name, change: Adapter.Change.replaced($0.tensor)) }
        var otherRanks: [String] = []
        for name in order {
            guard let module = modules[name] else { continue }
            guard let a = module.a, let b = module.b else {
                throw .badInput(
                    "has only one of the two matrices of '\(name)'", file: file,
                    remedy: "save the adapter again, whole")
            }
            let isEmbedding = a.isOfEmbedding
            guard isEmbedding == b.isOfEmbedding else {
                throw a.failure("and '\(b.name)' are of different kinds of layers")
            }
            try check(module.magnitude, beside: a, name, config)
            guard let rank = a.shape.extents.first else { throw a.scattered("is a single number") }
            let scaling: (factor: Float, statedRank: Double)
            do { scaling = try config.scaling(name, rank: rank) } catch {
                throw error.located(in: Path.join(Path.directory(file), "adapter_config.json"))
            }
            if scaling.statedRank != Double(rank) { otherRanks.append("'\(name)' has rank \(rank)") }
            let change = try LowRankChange(
                a: a, b: b, magnitude: module.magnitude, isTransposed: isEmbedding, scale: scaling.factor)
            changes.append(("\(name).weight", .added(change)))
        }
        let warning = otherRanks.first.map {
            "the ranks of \(otherRanks.count) modules in \(file) are not those of adapter_config.json: \($0), for one; "
                + "those of the file are taken"
        }
        return (changes, [warning].compactMap(\.self))
    }

    /// Whether magnitudes are there where the configuration says so, and nowhere else.
    private func check(
        _ magnitude: SourceTensor?, beside a: SourceTensor, _ name: String, _ config: AdapterConfig
    ) throws(Failure) {
        guard let magnitude else {
            guard config.hasMagnitudes else { return }
            throw a.failure(
                "is of a DoRA adapter (use_dora), but '\(name)' has no lora_magnitude_vector",
                remedy: "save the adapter again, whole")
        }
        guard config.hasMagnitudes else {
            throw magnitude.failure("is of DoRA, which use_dora in adapter_config.json denies")
        }
        guard !a.isOfEmbedding else {
            throw magnitude.failure(
                "is of an embedding, whose magnitudes are not supported", remedy: Adapter.mergeWithPeft)
        }
    }
}

extension SourceTensor {
    /// Whether it is a matrix that changes an embedding, of which it is looked up and not multiplied by.
    fileprivate var isOfEmbedding: Bool { name.contains(".lora_embedding_") }

    /// That the tensor is a part of what it should be, as it is when processes share its values.
    func scattered(_ problem: String) -> Failure {
        failure(
            "\(problem): it was saved while its values were spread over several processes (ZeRO-3, FSDP)",
            remedy: "save the adapter again with its parameters gathered "
                + "(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py)")
    }
}
