internal import Storage

/// Files of a folder that together are one set of weights.
public struct WeightSet: Sendable {
    /// What kind of files they are.
    public let container: ContainerKind
    /// The index that lists them, if one does.
    public let index: String?
    /// The files that hold tensors, sorted; those that are missing among them.
    public let files: [String]
    /// Those that are not in the folder.
    public let missing: [String]
    /// Where it stands in the order in which transformers looks for weights; nil for what it does not look for.
    let rank: Int?
    /// Why it cannot be a checkpoint, beside missing files.
    let problem: Failure?

    /// What it is called in messages, and what chooses it: its index or its first file.
    public var name: String { index ?? files.first ?? "" }

    /// Whether all of its files are there.
    public var isComplete: Bool { missing.isEmpty && problem == nil }

    /// A file that is a set by itself.
    init(single name: String, _ container: ContainerKind) {
        self.init(
            container, index: nil, files: [name], missing: [],
            rank: Self.order.firstIndex(of: name), problem: nil)
    }

    /// What an index lists. One that cannot be read makes a set that cannot be taken.
    init(index name: String, _ container: ContainerKind, in directory: String, names: Set<String>) {
        let path = Path.join(directory, name)
        do throws(Failure) {
            try UnfinishedDownload.check(path)
            let files = try ShardIndex(path).files
            // An index of one file, the only one, is that file.
            let single = files.count == 1 ? Self.order.firstIndex(of: files[0]) : nil
            self.init(
                container, index: name, files: files, missing: files.filter { !names.contains($0) },
                rank: single ?? Self.order.firstIndex(of: name), problem: nil)
        } catch {
            self.init(
                container, index: name, files: [], missing: [], rank: Self.order.firstIndex(of: name),
                problem: error)
        }
    }

    /// Shards that say how many they are, and that no index lists.
    init(shards first: ShardName, names: Set<String>) {
        let all = (1...first.count).map { first.name(of: $0) }
        self.init(
            ContainerKind(fileName: first.suffix) ?? .safetensors, index: nil, files: all,
            missing: all.filter { !names.contains($0) }, rank: nil, problem: nil)
    }

    private init(
        _ container: ContainerKind, index: String?, files: [String], missing: [String], rank: Int?,
        problem: Failure?
    ) {
        self.container = container
        self.index = index
        self.files = files
        self.missing = missing
        self.rank = rank
        self.problem = problem
    }

    /// As transformers 5.24 looks (`_get_resolved_checkpoint_files`): the first that is there is loaded.
    private static let order = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ]

    /// Why it cannot be taken; nil when it can.
    func refusal(in directory: String, unfinished: [String]) -> Failure? {
        if let problem { return problem }
        guard !missing.isEmpty else { return nil }
        let parts = unfinished.isEmpty ? "" : "; \(listed(unfinished)) is of a download that did not finish"
        let shards =
            missing.count == 1
            ? "shard '\(missing[0])' is missing, one of \(files.count)"
            : "\(missing.count) of \(files.count) shards are missing: \(listed(missing))"
        return .badInput(
            shards + parts, file: index.map { Path.join(directory, $0) } ?? directory,
            remedy: "the download is unfinished: download what is missing")
    }
}

/// The name of one of several files: `model-00001-of-00003.safetensors`.
struct ShardName: Equatable {
    let stem: String
    let number: Int
    let count: Int
    /// With its dot.
    let suffix: String
    /// Digits of each number.
    let width: Int

    /// More shards than any model has.
    private static let limit = 4096

    init?(_ name: String) {
        guard let dot = name.lastIndex(of: "."), ContainerKind(fileName: name) != nil else { return nil }
        let parts = name[..<dot].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 2] == "of", let number = Int(parts[parts.count - 3]),
            let count = Int(parts[parts.count - 1]), (1...Self.limit).contains(count),
            (1...count).contains(number), parts[parts.count - 1].count == parts[parts.count - 3].count
        else { return nil }
        stem = parts.dropLast(3).joined(separator: "-")
        (self.number, self.count) = (number, count)
        suffix = String(name[dot...])
        width = parts[parts.count - 1].count
        guard self.name(of: number) == name else { return nil }
    }

    func name(of number: Int) -> String {
        func padded(_ value: Int) -> String {
            String(repeating: "0", count: max(0, width - "\(value)".count)) + "\(value)"
        }
        return "\(stem)-\(padded(number))-of-\(padded(count))\(suffix)"
    }
}

/// Names for a message, at most so many.
func listed(_ names: [String], limit: Int = 4) -> String {
    let shown = names.prefix(limit).map { "'\($0)'" }.joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
}
