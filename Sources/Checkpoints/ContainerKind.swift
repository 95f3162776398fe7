internal import Storage

/// The kinds of files that checkpoints come in, preferred first.
public enum ContainerKind: String, CaseIterable, Sendable {
    /// safetensors.
    case safetensors
    /// A zip file of `torch.save`.
    case pyTorch = "pytorch"
    /// GGUF.
    case gguf

    /// By what a file's name ends in; nil for a name that no weights have.
    init?(fileName: String) {
        switch fileName.split(separator: ".").last {
        case "safetensors": self = .safetensors
        case "bin", "pt", "pth": self = .pyTorch
        case "gguf": self = .gguf
        default: return nil
        }
    }

    /// Reads the headers of the file at `path`.
    func open(_ path: String) throws(Failure) -> WeightFile {
        try UnfinishedDownload.check(weights: path)
        switch self {
        case .safetensors:
            let opened = try SafetensorsFile(path)
            return WeightFile(
                source: SourceFile(opened.file.identity), tensors: opened.tensors,
                passedOver: opened.passedOver, warnings: [])
        case .pyTorch:
            let opened = try PyTorchFile(path)
            return WeightFile(
                source: SourceFile(opened.file.identity, records: opened.records), tensors: opened.tensors,
                passedOver: opened.passedOver, warnings: opened.warnings)
        case .gguf:
            throw .badInput(
                "is a GGUF file, which is read with the vision part beside it alone", file: path)
        }
    }
}

/// A file of weights whose headers were read.
struct WeightFile {
    let source: SourceFile
    let tensors: [SourceTensor]
    let passedOver: [PassedOver]
    /// What the user should know.
    let warnings: [String]
}

/// Something that a file of weights holds by a name, and that is no tensor this reader knows.
public struct PassedOver: Equatable, Sendable {
    /// As the file has it.
    public let name: String
    /// What it is, for messages: `a tensor of F4`, `an integer`.
    public let kind: String
}
