internal import Storage

/// The kinds of files that checkpoints come in, preferred first.
enum ContainerKind: CaseIterable {
    case safetensors
    case pyTorch

    /// The file that holds a whole checkpoint.
    var singleName: String {
        switch self {
        case .safetensors: "model.safetensors"
        case .pyTorch: "pytorch_model.bin"
        }
    }

    /// The index of a checkpoint that is split into shards.
    var indexName: String { singleName + ".index.json" }

    /// Reads the headers of the file at `path`.
    func open(_ path: String) throws(Failure) -> (file: SourceFile, tensors: [SourceTensor]) {
        switch self {
        case .safetensors:
            let opened = try SafetensorsFile(path)
            return (SourceFile(opened.file.identity), opened.tensors)
        case .pyTorch:
            let opened = try PyTorchFile(path)
            return (SourceFile(opened.file.identity, records: opened.records), opened.tensors)
        }
    }
}
