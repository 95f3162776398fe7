public import Storage

/// A checkpoint's tensors, whatever files they lie in.
public struct Checkpoint: Sendable {
    /// The folder.
    public let directory: String
    /// The files the tensors came from, index first, for provenance.
    public let files: [SourceFile]
    /// Every tensor, in the order of the files and within them.
    public let tensors: [SourceTensor]
    /// The bytes of all tensors as the index of shards states them, if there is one that does.
    public let statedByteCount: Int?
    private let positions: [String: Int]

    /// Opens the checkpoint in `directory`: the shards of `model.safetensors.index.json`, or `model.safetensors`, or the
    /// same of `pytorch_model.bin`.
    ///
    /// All headers are read and checked; no tensor is, and nothing in a file is executed.
    /// - Throws: `.badInput` when there is no checkpoint, when a shard is missing or malformed, or when the index and the
    ///   shards disagree about a tensor.
    public init(_ directory: String) throws(Failure) {
        guard Path.isDirectory(directory) else {
            throw .badInput("is no folder", file: directory, remedy: "give the folder that holds config.json")
        }
        for kind in ContainerKind.allCases {
            let single = Path.join(directory, kind.singleName)
            if Path.exists(Path.join(directory, kind.indexName)) {
                try self.init(directory, shardsOf: kind)
                return
            } else if Path.exists(single) {
                let (file, tensors) = try kind.open(single)
                try self.init(directory, files: [file], tensors: tensors)
                return
            }
        }
        let names = ContainerKind.allCases.map { "\($0.singleName) nor \($0.indexName)" }
        throw .badInput(
            "holds neither \(names.joined(separator: " nor "))", file: directory,
            remedy: "is it the folder of a checkpoint, and is the download complete?")
    }

    private init(_ directory: String, shardsOf kind: ContainerKind) throws(Failure) {
        let path = Path.join(directory, kind.indexName)
        let index = try ShardIndex(path)
        var files = [SourceFile(try MappedFile(path).identity)]
        var tensors: [SourceTensor] = []
        var held: [(file: String, tensor: String)] = []
        for name in index.files {
            let shardPath = Path.join(directory, name)
            guard Path.exists(shardPath) else { throw Self.missing(name, of: directory, kind) }
            let shard = try kind.open(shardPath)
            files.append(shard.file)
            tensors += shard.tensors
            held += shard.tensors.map { (name, $0.name) }
        }
        if let difference = index.disagreement(with: held) { throw .badInput(difference, file: path) }
        try self.init(directory, files: files, tensors: tensors, stated: index.totalSize)
    }

    private init(
        _ directory: String, files: [SourceFile], tensors: [SourceTensor], stated: Int? = nil
    ) throws(Failure) {
        self.directory = directory
        statedByteCount = stated
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

    /// The bytes of all tensors; what several show counts for each.
    public var byteCount: Int { tensors.reduce(0) { $0 &+ $1.data.count } }

    /// All names, in the order of `tensors`.
    public var names: [String] { tensors.map(\.name) }

    private static func missing(
        _ shard: String, of directory: String, _ kind: ContainerKind
    ) -> Failure {
        let remedy =
            Path.exists(Path.join(directory, kind.singleName))
            ? "if \(kind.singleName) is the whole checkpoint, remove the stale \(kind.indexName)"
            : "download it; an interrupted download leaves shards out"
        return .badInput(
            "shard '\(shard)' is missing", file: Path.join(directory, kind.indexName), remedy: remedy)
    }
}
