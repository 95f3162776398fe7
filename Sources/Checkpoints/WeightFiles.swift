public import Storage

/// The files of a checkpoint's folder by what they are, and the decision which of them are its weights.
///
/// The one place that decides: transformers' choice is taken where it has one, whatever lies beside it is named, and what
/// cannot be told apart is refused until it is said.
public struct WeightFiles: Sendable {
    /// The folder.
    public let directory: String
    /// Every set of weights, the one that transformers would load first.
    public let sets: [WeightSet]
    /// The files of an adapter (LoRA) and what belongs to it.
    public let adapters: [String]
    /// What training left behind: states of optimizers and the like, folders among them.
    public let leftovers: [String]
    /// Parts of downloads.
    public let unfinished: [String]
    /// Weights for other programs, which there is no reader for.
    public let foreign: [String]

    /// Sorts the names in a folder; only indexes are read.
    /// - Throws: `.badInput` when it is no folder, or when a file that is read of every checkpoint is a mere pointer.
    public init(_ directory: String) throws(Failure) {
        guard Path.isDirectory(directory) else {
            throw .badInput("is no folder", file: directory, remedy: "give the folder that holds config.json")
        }
        let all = try Path.list(directory)
        for name in UnfinishedDownload.smallFiles { try UnfinishedDownload.check(Path.join(directory, name)) }
        var rest: [String] = []
        var (adapters, leftovers, unfinished, foreign) = ([String](), [String](), [String](), [String]())
        // A link may lead nowhere: what it stands for is missing.
        for name in all where Path.exists(Path.join(directory, name)) {
            if UnfinishedDownload.isPart(name) {
                unfinished.append(name)
            } else if Self.isAdapter(name) {
                adapters.append(name)
            } else if Self.isLeftover(name) {
                leftovers.append(name)
            } else if Self.foreignSuffixes.contains(where: { name.hasSuffix($0) }) {
                foreign.append(name)
            } else {
                rest.append(name)
            }
        }
        let fetching = (try? Path.list(Path.join(directory, Self.downloads))) ?? []
        unfinished += fetching.filter(UnfinishedDownload.isPart).map { Path.join(Self.downloads, $0) }
        self.directory = directory
        (self.adapters, self.leftovers) = (adapters, leftovers)
        (self.unfinished, self.foreign) = (unfinished, foreign)
        sets = Self.sets(of: rest, in: directory)
    }

    private static func sets(of rest: [String], in directory: String) -> [WeightSet] {
        let names = Set(rest)
        var sets: [WeightSet] = []
        for name in rest where name.hasSuffix(".json") {
            for kind in [".safetensors.index.", ".bin.index."] where name.contains(kind) {
                let container = kind.hasPrefix(".bin") ? ContainerKind.pyTorch : .safetensors
                sets.append(WeightSet(index: name, container, in: directory, names: names))
            }
        }
        var indexed = Set(sets.flatMap(\.files))
        for name in rest where !indexed.contains(name) {
            guard let container = ContainerKind(fileName: name) else { continue }
            if let shard = ShardName(name) {
                let set = WeightSet(shards: shard, names: names)
                sets.append(set)
                indexed.formUnion(set.files)
            } else {
                sets.append(WeightSet(single: name, container))
            }
        }
        return sets.sorted { ($0.rank ?? .max, $0.name) < ($1.rank ?? .max, $1.name) }
    }

    private static func isAdapter(_ name: String) -> Bool {
        name.hasPrefix("adapter_model") || name == adapterConfig || name.hasPrefix("non_lora_")
    }

    private static func isLeftover(_ name: String) -> Bool {
        let stems = [
            "optimizer", "scheduler", "rng_state", "random_states", "global_step", "training_args",
            "trainer_state", "zero_pp_rank", "bf16_zero_pp_rank", "mp_rank", "zero_to_fp32", "scaler.",
            "pytorch_model_fsdp_",
        ]
        return name.hasSuffix(".distcp") || stems.contains { name.hasPrefix($0) }
    }

    private static let foreignSuffixes = [".h5", ".msgpack", ".onnx", ".ot", ".npz", ".tflite", ".mlmodel"]
    /// Where the Hugging Face client keeps what it has not finished of a folder.
    private static let downloads = ".cache/huggingface/download"
    private static let adapterConfig = "adapter_config.json"
}

// The decision.
extension WeightFiles {
    /// The set that is the checkpoint.
    /// - Parameter name: a file of it, if the user says which it is.
    /// - Returns: the set, and what the user should know of the others.
    /// - Throws: `.badInput` saying what is there when nothing can be taken, or not without being told.
    public func chosen(_ name: String? = nil) throws(Failure) -> (set: WeightSet, warnings: [String]) {
        var choice: (set: WeightSet, warnings: [String])
        if let name { choice = (try named(name), []) } else { choice = try decided() }
        if !unfinished.isEmpty {
            choice.warnings.append(
                "\(listed(unfinished)) is of a download that did not finish; the files that are there are read"
            )
        }
        return choice
    }

    private func decided() throws(Failure) -> (set: WeightSet, warnings: [String]) {
        let readable = sets.filter { $0.container != .gguf }
        guard let first = readable.first else { throw nothing }
        guard adapters.isEmpty else {
            throw .badInput(
                "holds weights and an adapter (\(listed(adapters))), which would be left out",
                file: directory,
                remedy:
                    "say that the weights are wanted, with --weights \(first.name); to merge the adapter into them, add "
                    + "--adapter \(directory)")
        }
        guard first.rank != nil else { return try onlyComplete(of: readable) }
        try checkMistakable(first, among: readable)
        return (first, warning(others: sets.filter { $0.name != first.name }, than: first))
    }

    /// The one set that is whole, where none has a name that transformers looks for.
    private func onlyComplete(of sets: [WeightSet]) throws(Failure) -> (set: WeightSet, warnings: [String]) {
        let complete = sets.filter(\.isComplete)
        if complete.isEmpty, let refusal = sets.first?.refusal(in: directory, unfinished: unfinished) {
            throw refusal
        }
        guard complete.count == 1, let only = complete.first else {
            throw .badInput(
                "holds several sets of weights: \(listed(complete.map(\.name)))", file: directory,
                remedy: "say which with --weights FILE")
        }
        let others = warning(others: self.sets.filter { $0.name != only.name }, than: only)
        return (only, ["the weights are taken from \(described(only))"] + others)
    }

    /// Refuses incomplete shards beside a whole file: which of them is the model cannot be told.
    private func checkMistakable(_ first: WeightSet, among readable: [WeightSet]) throws(Failure) {
        let others = readable.dropFirst()
        let broken: WeightSet, whole: WeightSet?
        if !first.isComplete {
            (broken, whole) = (first, others.first(where: \.isComplete))
        } else if let stale = others.first(where: { $0.rank != nil && !$0.isComplete }),
            stale.container == first.container
        {
            (broken, whole) = (stale, first)
        } else {
            return
        }
        guard let refusal = broken.refusal(in: directory, unfinished: unfinished) else { return }
        guard let whole else { throw refusal }
        throw Failure(
            refusal.kind, "\(refusal.message); \(whole.name) lies beside it", file: refusal.file,
            at: refusal.place,
            remedy: "--weights \(whole.name) takes that, or download what is missing; "
                + "if \(whole.name) is the whole checkpoint, remove the stale \(broken.name)")
    }

    /// The file that config.json names, which transformers then reads whatever else there is.
    public static func stated(by config: SettingsReader) -> String? {
        config["transformers_weights"]?.string
    }

    private func warning(others: [WeightSet], than set: WeightSet) -> [String] {
        guard !others.isEmpty else { return [] }
        return [
            "the folder holds several sets of weights: \(set.name) is read, as transformers does, not "
                + "\(listed(others.map(\.name))) (--weights chooses)"
        ]
    }

    private func described(_ set: WeightSet) -> String {
        set.files.count == 1
            ? "\(set.name), a name that transformers does not look for"
            : "\(set.files.count) shards, \(set.name) first, which no index lists"
    }

    /// The set that `name` is of.
    private func named(_ name: String) throws(Failure) -> WeightSet {
        let wanted = Path.name(name)
        let others = sets.isEmpty ? "it holds none" : "it has \(listed(sets.map(\.name)))"
        guard
            let set = sets.first(where: { $0.name == wanted })
                ?? sets.first(where: { $0.files.contains(wanted) })
        else {
            throw .badInput("has no weights in '\(name)': \(others)", file: directory)
        }
        if let refusal = set.refusal(in: directory, unfinished: unfinished) { throw refusal }
        return set
    }

    /// Why there is nothing to take.
    private var nothing: Failure {
        if let gguf = sets.first {
            return .badInput(
                "holds its weights as GGUF (\(gguf.name)), which are read with the vision part beside them alone",
                file: directory)
        }
        if let adapterAlone { return adapterAlone }
        if !unfinished.isEmpty {
            return .badInput(
                "holds no weights yet: \(listed(unfinished)) is of a download that did not finish",
                file: directory, remedy: "download the model again, or let the download finish")
        }
        if !foreign.isEmpty {
            return .badInput(
                "holds weights for other programs alone: \(listed(foreign))", file: directory,
                remedy: "download the model's safetensors files")
        }
        if !leftovers.isEmpty {
            return .badInput(
                "holds what training needs to go on (\(listed(leftovers))), but no weights", file: directory,
                remedy:
                    "save the model from the training program; of DeepSpeed, with zero_to_fp32.py; of FSDP, with "
                    + "accelerate merge-weights")
        }
        return .badInput(
            "holds neither model.safetensors nor pytorch_model.bin nor an index or shards of them",
            file: directory, remedy: "is it the folder of a checkpoint, and is the download complete?")
    }

    /// What a folder is told that holds an adapter and no model; nil when there is no adapter.
    public var adapterAlone: Failure? {
        guard !adapters.isEmpty else { return nil }
        return .badInput(
            "is an adapter\(base.map { " for '\($0)'" } ?? ""), not a whole model", file: directory,
            remedy: "convert that model, with --adapter \(directory)")
    }

    /// The model that the adapter here changes, as its configuration has it.
    public var base: String? {
        let path = Path.join(directory, Self.adapterConfig)
        return Path.isRegularFile(path)
            ? (try? JSON(file: path, limit: 1 << 20))?["base_model_name_or_path"]?.string : nil
    }
}
