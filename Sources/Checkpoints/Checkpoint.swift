public import Storage

/// A checkpoint's tensors, whatever files they lie in.
public struct Checkpoint: Sendable {
    /// The folder.
    public let directory: String
    /// The files the tensors came from, index first, for provenance.
    public let files: [SourceFile]
    /// Every tensor, in the order of the files and within them.
    public let tensors: [SourceTensor]
    private let positions: [String: Int]

    /// Opens the checkpoint in `directory`: the shards of `model.safetensors.index.json`, or `model.safetensors`.
    ///
    /// All headers are read and checked; no tensor is.
    /// - Throws: `.badInput` when there is no checkpoint, when a shard is missing or malformed, or when the index and the
    ///   shards disagree about a tensor.
    public init(_ directory: String) throws(Failure) {
        guard Path.isDirectory(directory) else {
            throw .badInput("is no folder", file: directory, remedy: "give the folder that holds config.json")
        }
        let index = Path.join(directory, ShardIndex.fileName)
        let single = Path.join(directory, Self.singleName)
        if Path.exists(index) {
            try self.init(directory: directory, index: index)
        } else if Path.exists(single) {
            let file = try SafetensorsFile(single)
            try self.init(
                directory, files: [SourceFile(path: single, byteCount: file.file.bytes.count)],
                tensors: file.tensors)
        } else {
            throw try Self.nothingFound(in: directory)
        }
    }

    private static let singleName = "model.safetensors"

    private init(directory: String, index path: String) throws(Failure) {
        let index = try ShardIndex(path)
        var files = [SourceFile(path: path, byteCount: try MappedFile(path).bytes.count)]
        var tensors: [SourceTensor] = []
        var held: [(file: String, tensor: String)] = []
        for name in index.files {
            let shardPath = Path.join(directory, name)
            guard Path.exists(shardPath) else { throw Self.missing(name, of: directory) }
            let shard = try SafetensorsFile(shardPath)
            files.append(SourceFile(path: shardPath, byteCount: shard.file.bytes.count))
            tensors += shard.tensors
            held += shard.tensors.map { (name, $0.name) }
        }
        if let difference = index.disagreement(with: held) { throw .badInput(difference, file: path) }
        try self.init(directory, files: files, tensors: tensors)
    }

    private init(_ directory: String, files: [SourceFile], tensors: [SourceTensor]) throws(Failure) {
        self.directory = directory
        self.files = files
        self.tensors = tensors
        var positions: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() {
            guard positions.updateValue(position, forKey: tensor.name) == nil else {
                throw .badInput("holds tensor '\(tensor.name)' twice", file: directory)
            }
        }
        self.positions = positions
    }

    /// The tensor of that name, or nil.
    public subscript(name: String) -> SourceTensor? { positions[name].map { tensors[$0] } }

    /// All names, in the order of `tensors`.
    public var names: [String] { tensors.map(\.name) }

    private static func missing(_ shard: String, of directory: String) -> Failure {
        let remedy =
            Path.exists(Path.join(directory, singleName))
            ? "if \(singleName) is the whole checkpoint, remove the stale \(ShardIndex.fileName)"
            : "download it; an interrupted download leaves shards out"
        return .badInput(
            "shard '\(shard)' is missing", file: Path.join(directory, ShardIndex.fileName), remedy: remedy)
    }

    private static func nothingFound(in directory: String) throws(Failure) -> Failure {
        let hasPyTorch = try Path.list(directory).contains {
            $0.hasPrefix("pytorch_model") && $0.hasSuffix(".bin")
        }
        guard hasPyTorch else {
            return .badInput(
                "holds neither \(ShardIndex.fileName) nor \(singleName)", file: directory,
                remedy: "is it the folder of a checkpoint, and is the download complete?")
        }
        return .badInput(
            "holds PyTorch .bin files only, which are not supported", file: directory,
            remedy: "save it again with save_pretrained(..., safe_serialization=True)")
    }
}
