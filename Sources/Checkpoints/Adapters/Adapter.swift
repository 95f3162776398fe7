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
        try UnfinishedDownload.check(file)
        let config = try AdapterConfig(SettingsReader(file: file, limit: 1 << 20))
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
        if let item = opened.flatMap(\.passedOver).first {
            throw .badInput(
                "'\(item.name)' is \(item.kind), which there is no reader for", file: directory,
                remedy: "save the adapter again with its tensors as floats")
        }
        let tensors = try AdapterTensors(opened.flatMap(\.tensors), file: Path.join(directory, name))
        let read = try tensors.changes(config)
        changes = read.changes
        warnings = opened.flatMap(\.warnings) + read.warnings
    }

    /// Whether it is read from the same file as another, by whatever name.
    public func isSame(as other: Adapter) -> Bool {
        files.dropFirst().first.flatMap { weights in
            other.files.dropFirst().first.map { weights.identity.isSameFile(as: $0.identity) }
        } ?? false
    }

    /// What can be done about an adapter that is not supported.
    static let mergeWithPeft =
        "merge the adapter with peft (merge_and_unload, save_pretrained) and convert the result"
}
