public import Storage

/// A checkpoint without its data: what its tensors are called and how large they are, and its configuration.
///
/// `formats/manifest.md` specifies the file. Enough to plan a conversion, not to carry it out.
public struct CheckpointManifest: Sendable {
    /// What it is called here.
    public let name: String
    /// The published model that it describes.
    public let source: String
    /// What is to be known about it, for people to read; may be empty.
    public let summary: String
    /// What `config.json` says.
    public let config: JSON
    /// The bytes of all tensors.
    public let byteCount: Int
    /// Every tensor, in the order of the file; none has data.
    public let weights: [StoredWeight]

    /// Reads a manifest.
    /// - Throws: `.badInput` when something is missing or impossible, or when the tensors do not add up to the size that
    ///   it states; `.limit` when there are more than 262 144 tensors.
    public init(json: JSON) throws(Failure) {
        guard let name = json["name"]?.string, !name.isEmpty else { throw .badInput("has no 'name'") }
        guard let source = json["source"]?.string else { throw .badInput("has no 'source'") }
        guard let config = json["config"], config.members != nil else { throw .badInput("has no 'config'") }
        guard let total = json["total_size"]?.int else { throw .badInput("has no 'total_size'") }
        guard let patterns = json["tensors"]?.array else { throw .badInput("has no list of 'tensors'") }
        var expansion = Expansion(fallback: json["dtype"]?.string)
        for (index, pattern) in patterns.enumerated() {
            do { try expansion.add(pattern) } catch { throw error.placed(in: "tensors[\(index)]") }
        }
        guard expansion.byteCount == total else {
            throw .badInput("states \(total) bytes, but its tensors take \(expansion.byteCount)")
        }
        (self.name, self.source, self.config) = (name, source, config)
        summary = json["description"]?.string ?? ""
        byteCount = total
        weights = expansion.weights
    }

    private init(_ manifest: CheckpointManifest, config: JSON, weights: [StoredWeight]) {
        (name, source, summary) = (manifest.name, manifest.source, manifest.summary)
        (self.config, self.weights) = (config, weights)
        byteCount = weights.reduce(0) { $0 + $1.shape.count * $1.type.width }
    }

    /// The same model with no more than the first `count` layers of its decoder, for quick trials.
    /// - Throws: `.usage` when it has not so many.
    public func shortened(to count: Int) throws(Failure) -> CheckpointManifest {
        let (key, part) = ("num_hidden_layers", config["text_config"])
        guard let layers = (part ?? config)[key]?.int, (1...max(1, layers)).contains(count) else {
            throw Failure(.usage, "\(name) has no \(count) layers")
        }
        let kept = weights.filter { weight in
            let words = weight.name.split(separator: ".")
            guard !words.contains("visual"),
                let place = words.firstIndex(where: { $0 == "layers" || $0 == "h" }),
                place + 1 < words.count, let layer = Int(words[place + 1])
            else { return true }
            return layer < count
        }
        let config =
            if let part {
                config.setting("text_config", to: part.setting(key, to: .int(count)))
            } else {
                config.setting(key, to: .int(count))
            }
        return CheckpointManifest(self, config: config, weights: kept)
    }

    /// Reads the manifest in the file at `path`.
    public init(file path: String) throws(Failure) {
        let json = try JSON(file: path, limit: 64 << 20)
        do { try self.init(json: json) } catch { throw error.located(in: path) }
    }
}

/// The tensors of a manifest while its patterns are written out.
private struct Expansion {
    private static let limit = 1 << 18
    /// Where the number of a repetition stands in a name.
    private static let mark = "{i}"

    /// The type of tensors that name none.
    let fallback: String?
    var weights: [StoredWeight] = []
    var byteCount = 0
    private var names: Set<String> = []

    init(fallback: String?) { self.fallback = fallback }

    mutating func add(_ pattern: JSON) throws(Failure) {
        guard let name = pattern["name"]?.string, !name.isEmpty else { throw .badInput("has no name") }
        guard let typeName = pattern["dtype"]?.string ?? fallback else { throw .badInput("has no dtype") }
        guard let type = ElementType(rawValue: typeName) else {
            throw .badInput("has the unsupported dtype \(typeName)")
        }
        guard let extents = pattern["shape"]?.ints else { throw .badInput("has no shape of whole numbers") }
        guard let shape = Shape(checking: extents), let bytes = shape.byteCount(type) else {
            throw .badInput("has the impossible shape \(extents)")
        }
        for name in try Expansion.names(name, pattern, limit: Expansion.limit - weights.count) {
            guard names.insert(name).inserted else { throw .badInput("tensor '\(name)' is there twice") }
            let (sum, overflow) = byteCount.addingReportingOverflow(bytes)
            guard !overflow else { throw .badInput("makes the checkpoint too large to address") }
            byteCount = sum
            weights.append(StoredWeight(describing: name, type, shape))
        }
    }

    /// The names that a pattern stands for, if they are not more than `limit`.
    private static func names(
        _ name: String, _ pattern: JSON, limit: Int
    ) throws(Failure) -> [String] {
        let parts = name.split(separator: mark, omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw .badInput("has \(mark) more than once in its name") }
        guard parts.count == 2 else {
            guard pattern["count"] == nil, pattern["numbers"] == nil else {
                throw .badInput("has a count, but no \(mark) in its name")
            }
            guard limit > 0 else { throw Failure(.limit, "makes more than \(Expansion.limit) tensors") }
            return [name]
        }
        let listed = pattern["numbers"]?.ints
        guard let count = listed?.count ?? pattern["count"]?.int, count > 0,
            listed == nil || pattern["count"] == nil
        else { throw .badInput("has no count above 0") }
        guard count <= limit else { throw Failure(.limit, "makes more than \(Expansion.limit) tensors") }
        return (listed ?? Array(0..<count)).map { "\(parts[0])\($0)\(parts[1])" }
    }
}
