import Accuracy
import Bundles
import GraphIR
import Prompts
import Runtime
import Storage
import Threads

/// Measures how much the model's answers change when noise is added to one weight: the mean KL divergence from the model
/// as it is.
///
/// Of each role a few blocks are measured, the first and the last among them; those between follow by interpolation.
struct SensitivityProbe {
    private let bundle: Bundle
    private let model: ModelGraph
    private let prepared: PreparedSet
    private let patches: PatchSelection
    private let pool: ThreadPool
    private let largeProduct: LargeProduct?

    /// Blocks of a role that are measured.
    static let blocks = 6
    /// Tokens of the samples that are run, at most, unless the first sample has more.
    private static let tokens = 2048
    /// Of so many rows, one's logits are compared.
    private static let stride = 2

    init(
        _ bundle: Bundle, _ model: ModelGraph, _ whole: PreparedSet, patches: any PatchStore,
        pool: ThreadPool,
        largeProduct: LargeProduct?
    ) {
        self.bundle = bundle
        self.model = model
        let (part, origins) = whole.subset(Self.choice(whole))
        prepared = part
        self.patches = PatchSelection(store: patches, numbers: origins)
        self.pool = pool
        self.largeProduct = largeProduct
    }

    /// Samples spread over the set, those with pictures in turn with the others.
    private static func choice(_ set: PreparedSet) -> [Int] {
        let kinds = [
            set.samples.indices.filter { set.samples[$0].visuals.isEmpty },
            set.samples.indices.filter { !set.samples[$0].visuals.isEmpty },
        ].filter { !$0.isEmpty }
        var chosen: [Int] = []
        for kind in kinds {
            var room = tokens / kinds.count
            // Multiples of the golden ratio visit a range evenly, however many are taken.
            func place(_ number: Int) -> Double {
                (Double(number) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1)
            }
            for number in kind.sorted(by: { place($0) < place($1) }) {
                let count = set.samples[number].tokens.count
                guard chosen.isEmpty || count <= room else { break }
                room -= count
                chosen.append(number)
            }
        }
        return chosen.sorted()
    }

    /// The weights that are measured, in the order of the model; without pictures, those of the vision graph are not.
    static func weights(_ model: ModelGraph, hasVisuals: Bool) -> [String] {
        var byRole: [Role: [Operation.WeightUse]] = [:]
        var order: [Role] = []
        for graph in model.graphs where hasVisuals || graph.name != "vision" {
            for use in graph.weightUses {
                if byRole[use.role] == nil { order.append(use.role) }
                byRole[use.role, default: []].append(use)
            }
        }
        var names: [String] = []
        for role in order {
            let uses = byRole[role] ?? []
            let count = min(blocks, uses.count)
            for point in 0..<count {
                let use = uses[count == 1 ? 0 : point * (uses.count - 1) / (count - 1)]
                if !names.contains(use.weight) { names.append(use.weight) }
            }
        }
        return names
    }

    /// Measures weights.
    /// - Parameter record: given the mean KL divergence of each of `names`, in their order.
    func run(
        _ names: [String], report: (Int) throws(Failure) -> Void,
        record: (String, Double) throws(Failure) -> Void
    ) throws(Failure) {
        guard !names.isEmpty else { return }
        let visuals = try rows("vision", VisionFeed(prepared: prepared, patches: patches), nil)
        let base = try rows("text", TextFeed(prepared: prepared, visuals: visuals), nil)
        for (index, name) in names.enumerated() {
            guard let weight = LentWeight(name, of: bundle) else {
                throw .badInput("is not there", file: bundle.path, at: "tensor '\(name)'")
            }
            let noisy = (name, try NoisyWeight(weight).lent)
            let changed =
                try model.graph("vision").uses(name)
                ? try rows("vision", VisionFeed(prepared: prepared, patches: patches), noisy) : visuals
            let hidden = try rows("text", TextFeed(prepared: prepared, visuals: changed), noisy)
            try record(name, try divergence(base, hidden, noisy))
            try report(index + 1)
        }
    }

    /// What a graph gives for each run, with one weight replaced.
    private func rows(
        _ name: String, _ feed: any GraphFeed, _ replaced: (name: String, weight: LentWeight)?
    ) throws(Failure) -> SpooledRows {
        let part = GraphPart(try model.graph(name))
        let file = try TemporaryFile()
        let columns = part.graph[part.graph.output].type.columns ?? 1
        var places: [(offset: Int, rows: Int)] = []
        let runner = try runner(part, replaced)
        for index in 0..<feed.count {
            let inputs = try part.given.map { (id) throws(Failure) in
                try feed.input(part.graph[id].name, index)
            }
            try runner(feed.extents(index), inputs) { (results) throws(Failure) in
                places.append(
                    (try file.append(UnsafeRawBufferPointer(results[0])), results[0].count / columns))
            }
        }
        return SpooledRows(file, columns: columns, places: places)
    }

    private func runner(
        _ part: GraphPart, _ replaced: (name: String, weight: LentWeight)?
    ) throws(Failure) -> PartRunner {
        try PartRunner(part, model.weights, pool: pool, largeProduct: largeProduct) {
            (name) throws(Failure) in
            name == replaced?.name ? replaced?.weight : LentWeight(name, of: bundle)
        }
    }

    /// The mean KL divergence over some of the rows of text.
    private func divergence(
        _ base: SpooledRows, _ other: SpooledRows, _ replaced: (name: String, weight: LentWeight)
    ) throws(Failure) -> Double {
        let part = GraphPart(try model.graph("head"))
        let isChanged = try model.graph("head").uses(replaced.name)
        let plain = try runner(part, nil)
        let changed = isChanged ? try runner(part, replaced) : plain
        var divergence = Divergence()
        for (index, sample) in prepared.samples.enumerated() {
            let visual = Set(sample.visualRows)
            let chosen = Swift.stride(from: 1, to: sample.tokens.count, by: Self.stride).filter {
                !visual.contains(Int32($0))
            }
            let (p, q) = (try base.values(index), try other.values(index))
            let columns = p.count / max(1, sample.tokens.count)
            for start in Swift.stride(from: 0, to: chosen.count, by: 32) {
                let rows = chosen[start..<min(chosen.count, start + 32)]
                func pick(_ all: [Float]) -> [PlanInput] {
                    [.floats(rows.flatMap { all[$0 * columns..<($0 + 1) * columns] })]
                }
                let extents = Extents(outputs: rows.count)
                try plain(extents, pick(p)) { (first) throws(Failure) in
                    let logits = Array(first[0])
                    try changed(extents, pick(q)) { second in
                        let width = logits.count / rows.count
                        logits.withUnsafeBufferPointer { logits in
                            for row in 0..<rows.count {
                                let range = row * width..<(row + 1) * width
                                divergence.add(
                                    base: UnsafeBufferPointer(rebasing: logits[range]),
                                    other: UnsafeBufferPointer(rebasing: second[0][range]), target: nil)
                            }
                        }
                    }
                }
            }
        }
        return divergence.summary?.mean ?? 0
    }
}

extension Graph {
    /// Its linears' and embeddings' uses of weights, in order.
    var weightUses: [Operation.WeightUse] {
        nodes.compactMap { node in
            switch node.operation {
            case .embedding(let use), .linear(let use, _), .expertLinear(let use, _, _): use
            default: nil
            }
        }
    }

    /// Whether a node reads the weight of that name.
    func uses(_ weight: String) -> Bool { nodes.contains { $0.operation.weightNames.contains(weight) } }
}
