import Accuracy
public import GraphIR
public import Runtime
public import SampleSets
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

    /// Of so many rows, one's logits are compared.
    private static let stride = 2
    /// What a row before a token of an answer counts, where one of the same sample's question counts 1.
    static let answerWeight = 4.0

    /// A comparison over samples of every kind that a set has.
    public init(
        _ model: ModelGraph, _ whole: PreparedSet, patches: any PatchStore, pool: ThreadPool,
        largeProduct: LargeProduct?
    ) {
        self.model = model
        let (part, origins) = whole.subset(ProbeChoice(whole).samples)
        prepared = part.cuttingText(to: ProbeChoice.window, where: ProbeChoice.isPlain)
        self.patches = PatchSelection(store: patches, numbers: origins)
        self.pool = pool
        self.largeProduct = largeProduct
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

    /// The logits of a form of the model in the rows that are compared, in a file without a name.
    public struct Answers {
        fileprivate let file: TemporaryFile
        /// Where those of each sample begin.
        fileprivate var places: [Int] = []
    }

    /// Rows whose logits are computed together.
    private static let rowsAtOnce = 128

    /// The answers of a form of the model.
    /// - Parameters:
    ///   - hidden: final hidden states.
    ///   - weight: lends the weights of the head that reads them.
    public func answers(_ hidden: SpooledRows, _ weight: Weights) throws(Failure) -> Answers {
        var answers = Answers(file: try TemporaryFile())
        let head = try runner(GraphPart(try model.graph("head")), weight)
        for (index, sample) in prepared.samples.enumerated() {
            answers.places.append(answers.file.count)
            for (rows, _) in Self.rows(of: sample) {
                try forEachPart(of: rows, try hidden.values(index), sample, head) {
                    (logits, _) throws(Failure) in
                    try answers.file.append(UnsafeRawBufferPointer(logits))
                }
            }
        }
        return answers
    }

    /// The mean KL divergence, over some of the rows of text, of one form's logits from another's; rows of answers count
    /// ``answerWeight`` times those of the questions before them.
    /// - Parameters:
    ///   - base: the one form's.
    ///   - hidden: final hidden states of the other.
    ///   - weight: lends the weights of the head that reads them.
    ///   - changed: the samples whose states may differ; the others count as equal, unread.
    /// - Throws: `badInput` when there is nothing to compare.
    public func divergence(
        _ base: Answers, _ hidden: SpooledRows, _ weight: Weights,
        changed: (PreparedSet.Sample) -> Bool = { _ in true }
    ) throws(Failure) -> Double {
        let head = try runner(GraphPart(try model.graph("head")), weight)
        var (sum, total) = (0.0, 0.0)
        for (index, sample) in prepared.samples.enumerated() {
            var place = base.places[index]
            for (rows, weight) in Self.rows(of: sample) where !rows.isEmpty {
                total += weight * Double(rows.count)
                guard changed(sample) else { continue }
                var divergence = Divergence()
                try forEachPart(of: rows, try hidden.values(index), sample, head) {
                    (logits, places) throws(Failure) in
                    let known = try base.file.floats(at: place, count: logits.count)
                    place += logits.count * MemoryLayout<Float>.size
                    try known.withUnsafeBufferPointer { (known) throws(Failure) in
                        try divergence.add(
                            base: known, other: logits, targets: Array(repeating: nil, count: places.count),
                            places: places, pool)
                    }
                }
                sum += weight * Double(rows.count) * (divergence.mean ?? 0)
            }
        }
        guard total > 0 else { throw .badInput("the calibration set has no answers that could be compared") }
        return sum / total
    }

    /// Lends the logits of some rows of a sample at a time, and their places among those that are compared.
    private func forEachPart(
        of rows: [Int], _ hidden: [Float], _ sample: PreparedSet.Sample, _ head: PartRunner,
        _ body: (UnsafeBufferPointer<Float>, [Int]) throws(Failure) -> Void
    ) throws(Failure) {
        let columns = hidden.count / sample.tokens.count
        for start in Swift.stride(from: 0, to: rows.count, by: Self.rowsAtOnce) {
            let part = rows[start..<min(rows.count, start + Self.rowsAtOnce)]
            let picked = part.flatMap { hidden[$0 * columns..<($0 + 1) * columns] }
            try head(Extents(outputs: part.count), [.floats(picked)]) { (results) throws(Failure) in
                try body(results[0], Array(start..<start + part.count))
            }
        }
    }

    /// The rows of a sample that are compared, each kind with what one of its rows counts: those before tokens of answers, and those
    /// before other tokens of text. Where nothing is known of answers the latter count as much.
    static func rows(of sample: PreparedSet.Sample) -> [(rows: [Int], weight: Double)] {
        // What is read from a row is the token after it.
        let spans = sample.answers.map { max(1, $0.lowerBound) - 1..<$0.upperBound - 1 }
        let answers = spans.flatMap {
            Array(Swift.stride(from: $0.lowerBound, to: $0.upperBound, by: stride))
        }
        var isOther = Array(repeating: true, count: sample.tokens.count)
        for row in sample.visualRows { isOther[Int(row)] = false }
        for row in spans.joined() { isOther[row] = false }
        let asked = Swift.stride(from: 1, to: sample.tokens.count, by: stride).filter { isOther[$0] }
        return [(answers, 1), (asked, answers.isEmpty ? 1 : 1 / answerWeight)]
    }

    func runner(_ part: GraphPart, _ weight: Weights) throws(Failure) -> PartRunner {
        try PartRunner(part, model.weights, pool: pool, largeProduct: largeProduct, weight: weight)
    }
}
