import Bundles
import Prompts
import Runtime
import Storage

/// What encoding made of the last pictures and videos, so that one that is asked about again is not encoded again.
///
/// It is found by the digest of its patches, of the bundle and of the instruction set: what is found has the bits that
/// encoding would give.
public struct FeatureCache {
    /// The most bytes that are kept in memory; 0 keeps nothing there.
    public var limit: Int { didSet { makeRoom() } }
    /// Where they are kept on disk as well; nil for nowhere.
    public var folder: FeatureFolder?
    /// The last used comes last.
    private var kept: [(key: Digest, rows: Engine.Rows)] = []

    /// A cache of nothing yet.
    public init(limit: Int = 64 << 20, folder: FeatureFolder? = nil) {
        self.limit = limit
        self.folder = folder
    }

    /// Whether anything is kept.
    var isUsed: Bool { limit > 0 || folder != nil }

    /// The rows of a key, or what `encode` makes.
    mutating func rows(
        _ key: FeatureKey, _ encode: () throws(Failure) -> Engine.Rows
    ) throws(Failure) -> Engine.Rows {
        if let index = kept.firstIndex(where: { $0.key == key.digest }) {
            kept.append(kept.remove(at: index))
            return kept[kept.count - 1].rows
        }
        let rows: Engine.Rows
        if let stored = folder?.rows(key) {
            rows = stored
        } else {
            rows = try encode()
            folder?.store(rows, key)
        }
        if 4 * rows.values.count <= limit {
            kept.append((key.digest, rows))
            makeRoom()
        }
        return rows
    }

    private mutating func makeRoom() {
        var bytes = kept.reduce(0) { $0 + 4 * $1.rows.values.count }
        while bytes > limit { bytes -= 4 * kept.removeFirst().rows.values.count }
    }
}

/// What tells the rows of a picture or video from all others.
struct FeatureKey {
    /// The bundle's.
    let model: Digest
    /// Of the bundle, the instruction set, the grid and the patches.
    let digest: Digest
    /// Visual rows that there must be, and their columns.
    let rows: Int
    let columns: Int

    init(_ patches: Patches, _ model: Model) throws(Failure) {
        self.model = model.bundle.digest
        var hash = try SHA256()
        let grid = [patches.grid.t, patches.grid.h, patches.grid.w].flatMap { Int64($0).bytes }
        let name = Array(Engine.instructionSet.utf8)
        for part in [self.model.bytes, grid, UInt32(name.count).bytes, name] {
            part.withUnsafeBytes { hash.update($0) }
        }
        patches.values.withUnsafeBytes { hash.update($0) }
        digest = hash.finish()
        rows = model.engine.visualRows(patches: patches.grid.patches ?? 0)
        columns = model.engine.visualWidth
    }
}

extension Model {
    /// The rows that stand for the pictures and videos of a prompt, one after the other; those that were encoded lately are
    /// not encoded again.
    func features(of prompt: PreparedPrompt) throws(Failure) -> Engine.Rows? {
        var all: Engine.Rows?
        for visual in prompt.visuals {
            let rows = try features(of: visual.patches)
            if all == nil { all = rows } else { all?.values += rows.values }
        }
        return all
    }

    private func features(of patches: Patches) throws(Failure) -> Engine.Rows {
        guard features.isUsed else { return try encode(patches) }
        return try features.rows(FeatureKey(patches, self)) { () throws(Failure) in try encode(patches) }
    }
}
