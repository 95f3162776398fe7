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

    /// What this index says that is not so, given the file of each name; whether anything is missing is not its to say.
    func differences(from held: [String: String]) -> [String] {
        let absent = shards.keys.filter { held[$0] == nil }.sorted()
        let unlisted = held.keys.filter { shards[$0] == nil }.sorted()
        let elsewhere = shards.keys.filter { held[$0] != nil && held[$0] != shards[$0] }.sorted()
        return [
            ("lists tensors that no file holds", absent),
            ("does not list tensors that its files hold", unlisted),
            ("puts tensors into other files than hold them", elsewhere),
        ].filter { !$0.1.isEmpty }.map { "\($0.0): \(listed($0.1))" }
    }
}
