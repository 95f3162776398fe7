public import Storage

/// A checkpoint's tensors, whatever files they lie in.
public struct Checkpoint: Sendable {
    /// The folder.
    public let directory: String
    /// The files the tensors came from, index first, for provenance.
    public let files: [SourceFile]
    /// Every tensor of plain elements, in the order of the files and within them.
    public let tensors: [SourceTensor]
    /// The tensors of blocks, which GGUF files alone have.
    public let blocks: [GGUFTensor]
    /// What the files hold beside tensors of known types.
    public let passedOver: [PassedOver]
    /// The bytes of all tensors as the index of shards states them, if there is one that does and all were read.
    public let statedByteCount: Int?
    /// What kind of files they are.
    public let container: ContainerKind
    /// What the user should know of the choice of files and of their indexes.
    public let warnings: [String]
    private let positions: [String: Int]

    /// Opens the checkpoint in `directory`, as ``WeightFiles`` chooses.
    ///
    /// All headers are read and checked; no tensor is, and nothing in a file is executed.
    /// - Parameter weights: a file of the set to take, where there are several.
    /// - Throws: `.badInput` when there is no checkpoint, when a shard is missing or malformed, or when two shards hold
    ///   different tensors of one name.
    public init(_ directory: String, weights: String? = nil) throws(Failure) {
        let (set, notes) = try WeightFiles(directory).chosen(weights)
        self.directory = directory
        container = set.container
        var files: [SourceFile] = []
        var holding = Holding()
        var warnings = notes
        for name in set.files {
            let file = try set.container.open(Path.join(directory, name))
            files.append(file.source)
            warnings += file.warnings.map { "\(name): \($0)" }
            try holding.add(file, of: name, in: directory)
        }
        if let name = set.index {
            let path = Path.join(directory, name)
            let index = try ShardIndex(path)
            files.insert(SourceFile(try MappedFile(path).identity), at: 0)
            warnings += index.differences(from: holding.shards).map { "\(name) \($0)" }
            // Bytes of tensors that were passed over are not known.
            statedByteCount = holding.passedOver.isEmpty ? index.totalSize : nil
        } else {
            statedByteCount = nil
        }
        self.files = files
        tensors = holding.tensors
        blocks = []
        passedOver = holding.passedOver
        positions = holding.positions
        self.warnings = warnings + holding.repeated
    }

    /// The checkpoint that one file is.
    init(_ file: SafetensorsFile) {
        directory = Path.directory(file.file.path)
        files = [SourceFile(file.file.identity)]
        (tensors, passedOver, container) = (file.tensors, file.passedOver, .safetensors)
        (statedByteCount, warnings, blocks) = (nil, [], [])
        positions = Dictionary(
            file.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// A checkpoint without files or tensors, of weights that are made up.
    /// - Parameter name: stands for its folder in messages.
    public init(without name: String) {
        (directory, container) = (name, .safetensors)
        (files, tensors, blocks, passedOver) = ([], [], [], [])
        (statedByteCount, warnings, positions) = (nil, [], [:])
    }

    /// The tensors of a model in GGUF.
    /// - Throws: `.badInput` when two files hold tensors of one name.
    public init(_ model: GGUFModel) throws(Failure) {
        directory = Path.directory(model.text[0].file.path)
        container = .gguf
        files = model.files.map { SourceFile($0.file.identity) }
        (passedOver, statedByteCount, warnings) = ([], nil, [])
        var holders: [String: String] = [:]
        var (plain, blocks): ([SourceTensor], [GGUFTensor]) = ([], [])
        var positions: [String: Int] = [:]
        for file in model.files {
            for tensor in file.tensors {
                if let other = holders.updateValue(file.file.path, forKey: tensor.name) {
                    throw .badInput(
                        "is in \(Path.name(other)), too", file: file.file.path, at: "tensor '\(tensor.name)'")
                }
                if let tensor = tensor.plain {
                    positions[tensor.name] = plain.count
                    plain.append(tensor)
                } else {
                    blocks.append(tensor)
                }
            }
        }
        (tensors, self.blocks, self.positions) = (plain, blocks, positions)
    }

    /// The tensor of that name, or nil.
    public subscript(name: String) -> SourceTensor? { positions[name].map { tensors[$0] } }

    /// The bytes of all tensors; what several show counts for each.
    public var byteCount: Int {
        tensors.reduce(0) { $0 &+ $1.data.count } + blocks.reduce(0) { $0 &+ $1.data.count }
    }

    /// All names, in the order of `tensors` and `blocks`.
    public var names: [String] { tensors.map(\.name) + blocks.map(\.name) }
}

/// What was found in the files so far.
private struct Holding {
    private(set) var tensors: [SourceTensor] = []
    private(set) var passedOver: [PassedOver] = []
    private(set) var positions: [String: Int] = [:]
    /// The file of each name.
    private(set) var shards: [String: String] = [:]
    private var repetitions: [String] = []

    /// Adds a file's tensors. One that is there already must be the same, byte for byte.
    mutating func add(_ file: WeightFile, of name: String, in directory: String) throws(Failure) {
        for item in file.passedOver {
            passedOver.append(item)
            shards[item.name] = name
        }
        for tensor in file.tensors {
            guard let earlier = positions[tensor.name].map({ tensors[$0] }) else {
                positions[tensor.name] = tensors.count
                shards[tensor.name] = name
                tensors.append(tensor)
                continue
            }
            guard earlier.type == tensor.type, earlier.shape == tensor.shape,
                earlier.data.bytes.elementsEqual(tensor.data.bytes)
            else {
                throw .badInput(
                    "holds tensor '\(tensor.name)', and \(shards[tensor.name] ?? "another") holds another of that name",
                    file: Path.join(directory, name),
                    remedy: "files of two models may be mixed: download the model again into an empty folder")
            }
            repetitions.append(tensor.name)
        }
    }

    /// Says which tensors are there twice.
    var repeated: [String] {
        repetitions.isEmpty ? [] : ["in more than one file, with the same content: \(listed(repetitions))"]
    }
}
