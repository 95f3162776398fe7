import Checkpoints
import Storage

/// A checkpoint's weights with adapters merged into them.
struct AdaptedWeights {
    private(set) var weights: [StoredWeight]
    /// Tensors that adapters put others in the place of, and why nothing needs them.
    private(set) var replaced: [(name: String, reason: String)] = []
    /// What was done, for people.
    private(set) var notes: [String] = []
    private let table: NameTable
    /// The place of a weight in `weights`, by what it fills.
    private var places: [String: Int] = [:]

    /// - Throws: `badInput` when an adapter changes a weight that the model does not have, or of another shape.
    init(_ weights: [StoredWeight], _ table: NameTable, _ adapters: [Adapter]) throws(Failure) {
        self.weights = weights
        self.table = table
        guard !adapters.isEmpty else { return }
        for (index, weight) in weights.enumerated() {
            if let key = key(weight.name) { places[key] = index }
        }
        for adapter in adapters { try merge(adapter) }
    }

    /// What a weight of that name fills; names of different forms that fill the same have the same key.
    private func key(_ name: String) -> String? {
        let sources = table.sources(of: name)
        return sources.isEmpty ? nil : sources.map { "\($0.slot) \($0.taking)" }.joined(separator: ", ")
    }

    private mutating func merge(_ adapter: Adapter) throws(Failure) {
        var (added, replaced) = (0, 0)
        var seen: Set<String> = []
        for (name, change) in adapter.changes {
            guard let key = key(name) else {
                throw .badInput(
                    "changes '\(name)', which is no weight of this model\(of(adapter))",
                    file: adapter.directory)
            }
            guard seen.insert(key).inserted else {
                throw .badInput("changes '\(name)' twice", file: adapter.directory)
            }
            switch (change, places[key]) {
            case (.added(let change), let place?):
                weights[place] = StoredWeight(try MergedWeight(weights[place], change))
                added += 1
            case (.added, nil):
                throw .badInput(
                    "changes '\(name)', which the checkpoint does not hold\(of(adapter))",
                    file: adapter.directory,
                    remedy: name.contains("lm_head") ? "the head is tied to the embedding" : nil)
            case (.replaced(let tensor), let place):
                try replace(name, place, key, by: tensor)
                replaced += 1
            }
        }
        notes.append(
            "adapter \(adapter.directory)\(of(adapter)): \(added) weights changed, \(replaced) replaced")
    }

    private mutating func replace(
        _ name: String, _ place: Int?, _ key: String, by tensor: SourceTensor
    ) throws(Failure) {
        guard let place else {
            places[key] = weights.count
            weights.append(StoredWeight(tensor, named: name))
            return
        }
        let old = weights[place]
        guard old.shape == tensor.shape else {
            throw .badInput(
                "has shape \(tensor.shape), and the weight that it replaces \(old.shape)",
                file: tensor.data.file.path, at: "tensor '\(tensor.name)'")
        }
        replaced += old.sources.map { ($0, "an adapter holds another in its place") }
        weights[place] = StoredWeight(tensor, named: old.name)
    }

    private func of(_ adapter: Adapter) -> String { adapter.base.map { " (for '\($0)')" } ?? "" }
}
