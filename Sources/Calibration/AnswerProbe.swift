import Accuracy
public import GraphIR
public import Runtime
public import Storage
public import Threads

/// Compares the answers that forms of one model give over a few samples of a set.
public struct AnswerProbe {
    /// Lends a weight, of one form of the model, by its name.
    public typealias Weights = (String) throws(Failure) -> LentWeight?

    let model: ModelGraph
    let prepared: PreparedSet
    let patches: PatchSelection
    let pool: ThreadPool
    let largeProduct: LargeProduct?

    /// Tokens of the samples that are run, at most, unless the first sample has more.
    private static let tokens = 2048
    /// Of so many rows, one's logits are compared.
    private static let stride = 2

    /// A comparison over samples spread over a set, those with pictures in turn with the others.
    public init(
        _ model: ModelGraph, _ whole: PreparedSet, patches: any PatchStore, pool: ThreadPool,
        largeProduct: LargeProduct?
    ) {
        self.model = model
        let (part, origins) = whole.subset(Self.choice(whole))
        prepared = part
        self.patches = PatchSelection(store: patches, numbers: origins)
        self.pool = pool
        self.largeProduct = largeProduct
    }

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

    /// The final hidden states of each sample, of a form of the model that is run stage by stage: of its weights, no more than
    /// one stage's are asked for at a time.
    public func hidden(
        _ weight: Weights, report: (ModelRun.Progress) throws(Failure) -> Void
    ) throws(Failure) -> SpooledRows {
        let file = try TemporaryFile()
        var places: [(offset: Int, rows: Int)] = []
        var columns = 1
        let run = ModelRun(model, prepared, patches: patches, pool: pool, largeProduct: largeProduct)
        try run.run(
            weight: weight,
            visit: { (visit) throws(Failure) in
                guard visit.graph == "head" else { return }
                columns = visit.columns
                try visit.forEachSample { (rows, _) throws(Failure) in
                    try rows.values.withBytes { (bytes) throws(Failure) in
                        places.append((try file.append(bytes), rows.count))
                    }
                }
            }, report: report)
        return SpooledRows(file, columns: columns, places: places)
    }

    /// The mean KL divergence, over some of the rows of text, of one form's logits from another's.
    /// - Parameters:
    ///   - base: final hidden states, and the weights of the head that reads them.
    ///   - other: the same of the other form.
    public func divergence(
        _ base: SpooledRows, _ baseWeight: Weights, _ other: SpooledRows, _ otherWeight: Weights
    ) throws(Failure) -> Double {
        let head = GraphPart(try model.graph("head"))
        let (first, second) = (try runner(head, baseWeight), try runner(head, otherWeight))
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
                try first(extents, pick(p)) { (results) throws(Failure) in
                    let logits = Array(results[0])
                    try second(extents, pick(q)) { results in
                        divergence.add(base: logits, other: results[0], rows: rows.count)
                    }
                }
            }
        }
        return divergence.summary?.mean ?? 0
    }

    func runner(_ part: GraphPart, _ weight: Weights) throws(Failure) -> PartRunner {
        try PartRunner(part, model.weights, pool: pool, largeProduct: largeProduct, weight: weight)
    }
}

extension Divergence {
    /// Compares rows of logits.
    fileprivate mutating func add(base: [Float], other: UnsafeBufferPointer<Float>, rows: Int) {
        let width = base.count / rows
        base.withUnsafeBufferPointer { base in
            for row in 0..<rows {
                let range = row * width..<(row + 1) * width
                add(
                    base: UnsafeBufferPointer(rebasing: base[range]),
                    other: UnsafeBufferPointer(rebasing: other[range]), target: nil)
            }
        }
    }
}
