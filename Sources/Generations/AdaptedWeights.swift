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
        for (index, adapter) in adapters.enumerated() {
            guard !adapters[..<index].contains(where: adapter.isSame) else {
                throw .badInput(
                    "is given twice: it would be added twice", file: adapter.directory,
                    remedy: "leave one --adapter out")
            }
            try merge(adapter)
        }
    }

    /// What a weight of that name fills; names of different forms that fill the same have the same key.
    private func key(_ name: String) -> String? {
        let sources = table.sources(of: name)
        return sources.isEmpty ? nil : sources.map { "\($0.slot) \($0.taking)" }.joined(separator: ", ")
    }

    private mutating func merge(_ adapter: Adapter) throws(Failure) {
        untieHead(adapter)
        var (added, replaced) = (0, 0)
        var seen: Set<String> = []
        for (name, change) in adapter.changes {
            guard let key = key(name) else {
                throw refusal(adapter, name, "is no weight of this model")
            }
            switch (change, places[key]) {
            case (.added(let change), let place?):
                weights[place] = try StoredWeight(weights[place], adding: change)
                added += 1
            case (.added, nil):
                throw refusal(adapter, name, "the checkpoint does not hold")
            case (.replaced(let tensor), let place):
                try replace(name, place, key, by: tensor)
                replaced += 1
            }
            // A layer may be replaced and then added to.
            let purpose = if case .added = change { "added to" } else { "replaced" }
            guard seen.insert("\(purpose) \(key)").inserted else {
                throw .badInput("changes '\(name)' twice, by two names of it", file: adapter.directory)
            }
        }
        notes.append(
            "adapter \(adapter.directory)\(of(adapter)): \(added) weights changed, \(replaced) replaced")
    }

    private func refusal(_ adapter: Adapter, _ name: String, _ problem: String) -> Failure {
        .badInput(
            "changes '\(name)', which \(problem)\(of(adapter))", file: adapter.directory,
            remedy: name.contains(".experts")
                ? "adapters of experts are not supported: merge it with peft"
                : "is it an adapter of this model?")
    }

    /// Makes a head that is the embedding a weight of its own, where an adapter changes one of them: each was trained by
    /// itself. (What PEFT merges without being told to untie them is another model than the one it runs.)
    private mutating func untieHead(_ adapter: Adapter) {
        let (embedding, head) = ("text.embedding.weight", "text.head.weight")
        func slot(_ name: String) -> String? { table.sources(of: name).first?.slot }
        guard let headKey = key("lm_head.weight"), places[headKey] == nil,
            adapter.changes.contains(where: { [embedding, head].contains(slot($0.name)) }),
            let tied = weights.first(where: { slot($0.name) == embedding })
        else { return }
        places[headKey] = weights.count
        weights.append(StoredWeight(tied, named: "lm_head.weight"))
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
                file: tensor.data.file.path, at: "tensor '\(tensor.name)'",
                remedy:
                    "is it an adapter of this model? One with tokens of its own has to be merged with peft")
        }
        weights[place] = StoredWeight(tensor, named: old.name)
        let used = Set(weights.flatMap(\.sources))
        replaced += old.sources.filter { !used.contains($0) }
            .map { ($0, "an adapter holds another in its place") }
    }

    private func of(_ adapter: Adapter) -> String { adapter.base.map { " (for '\($0)')" } ?? "" }
}
