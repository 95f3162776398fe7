internal import Storage

/// The index of a sharded checkpoint, as `model.safetensors.index.json`: which file holds which tensor.
struct ShardIndex {
    /// The shard of each tensor.
    let shards: [String: String]
    /// The shards' file names, sorted, each once.
    let files: [String]
    /// The bytes of all tensors, as far as the index states them.
    let totalSize: Int?

    /// Reads an index. Shards are plain file names: nothing outside the checkpoint's folder is ever opened.
    init(_ path: String) throws(Failure) {
        let json = try JSON(file: path)
        guard let map = json["weight_map"]?.members, !map.isEmpty else {
            throw .badInput("has no weight_map", file: path)
        }
        totalSize = json["metadata"]?["total_size"]?.int
        var shards: [String: String] = [:]
        for member in map {
            guard let shard = member.value.string else {
                throw .badInput("the shard is no string", file: path, at: "tensor '\(member.key)'")
            }
            guard Self.isPlainName(shard) else {
                throw .badInput(
                    "shard named '\(shard)' leaves the checkpoint's folder", file: path,
                    at: "tensor '\(member.key)'")
            }
            shards[member.key] = shard
        }
        self.shards = shards
        files = Set(shards.values).sorted()
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".."
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }

    /// Nil when the shards hold exactly the tensors that this index gives them; otherwise what differs first.
    func disagreement(with held: [(file: String, tensor: String)]) -> String? {
        var missing = shards
        for (file, tensor) in held {
            guard let expected = missing.removeValue(forKey: tensor) else {
                return shards[tensor] == nil
                    ? "does not list tensor '\(tensor)' of \(file)"
                    : "tensor '\(tensor)' is in more than one shard, \(file) among them"
            }
            guard expected == file else {
                return "puts tensor '\(tensor)' into \(expected), but it is in \(file)"
            }
        }
        guard let (tensor, file) = missing.min(by: { $0.key < $1.key }) else { return nil }
        return "lists tensor '\(tensor)', which is not in \(file)"
    }
}
