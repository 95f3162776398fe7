import CKernels
public import GraphIR
public import Runtime
public import SampleSets
public import Storage
import Threads

/// Runs a graph over a whole calibration set, stage by stage: every part over all samples before the next.
///
/// What lives between two parts is kept in a file without a name, so that memory is that of one part's weights and one
/// sample's values, whatever the number of samples and layers.
public final class StagedRun {
    /// How the graph is cut.
    public let staged: StagedGraph
    /// How many parts have run. With `k + 1` of them run, the inputs of stage `k` are there.
    public private(set) var partsRun = 0
    private let feed: any GraphFeed
    private let slots: [WeightSlot]
    private let pool: ThreadPool
    private let largeProduct: LargeProduct?
    /// What the last part gave.
    private var carried: CarriedValues?

    init(
        _ graph: Graph, slots: [WeightSlot], feed: any GraphFeed, pool: ThreadPool,
        largeProduct: LargeProduct?
    ) {
        staged = StagedGraph(graph)
        self.slots = slots
        self.feed = feed
        self.pool = pool
        self.largeProduct = largeProduct
    }

    /// How many samples there are.
    public var sampleCount: Int { feed.count }

    /// Runs the next part over all samples.
    /// - Parameters:
    ///   - weight: lends a weight by its name, as it is to be run: in full precision, or quantized.
    ///   - report: told after each sample how many are done.
    /// - Throws: `badInput` when a weight is missing or a value that goes on to the next part is infinite or NaN; `io` when the
    ///   disk is full.
    public func advance(
        report: (Int) throws(Failure) -> Void = { _ throws(Failure) in },
        weight: (String) throws(Failure) -> LentWeight?
    ) throws(Failure) {
        let part = staged.parts[partsRun]
        defer { partsRun += 1 }
        guard !part.results.isEmpty else { return }
        let runner = try PartRunner(
            part, slots, pool: pool, largeProduct: largeProduct, weight: weight)
        var next = try CarriedValues(part.results)
        for sample in 0..<feed.count {
            let inputs = try part.given.map { (id) throws(Failure) in try value(id, sample) }
            try runner(feed.extents(sample), inputs) { (results) throws(Failure) in
                for (id, values) in zip(part.results, results) { try check(values, id, sample) }
                try next.append(results)
            }
            try report(sample + 1)
        }
        carried = next
    }

    /// The input rows of the stage that is due, for one sample.
    public func stageInput(_ sample: Int) throws(Failure) -> Engine.Rows {
        try rows(staged.stages[partsRun - 1].input, sample)
    }

    /// The choice of experts that the stage that is due follows, for one sample; nil where there is none.
    func stageRoutes(_ sample: Int) throws(Failure) -> Engine.Rows? {
        guard let routes = staged.stages[partsRun - 1].routes else { return nil }
        return try rows(routes.value, sample)
    }

    /// Fills `target` with pieces of the input of the stage that is due, for one sample, one after the other.
    /// - Parameters:
    ///   - starts: where each begins, counted in floats.
    ///   - width: floats of each.
    func stageInput(
        _ sample: Int, at starts: some Collection<Int>, width: Int,
        into target: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        let input = staged.stages[partsRun - 1].input
        let fed = carried?.count(input, sample) == nil ? try stageInput(sample).values : nil
        for (place, start) in starts.enumerated() {
            let piece = UnsafeMutableBufferPointer(rebasing: target[place * width..<(place + 1) * width])
            if let fed {
                for column in 0..<width { piece[column] = fed[start + column] }
            } else {
                try carried?.read(input, sample, from: start, into: piece)
            }
        }
    }

    /// How many rows the stage that is due reads, for one sample.
    func stageRowCount(_ sample: Int) throws(Failure) -> Int {
        let input = staged.stages[partsRun - 1].input
        guard let count = carried?.count(input, sample) else { return try stageInput(sample).count }
        return count / max(1, staged.graph[input].type.columns ?? 1)
    }

    private func rows(_ id: Graph.ValueID, _ sample: Int) throws(Failure) -> Engine.Rows {
        guard case .floats(let values, _) = try value(id, sample) else {
            throw .badInput("is no matrix of floats", at: "value '\(staged.graph[id].name)'")
        }
        return Engine.Rows(values: values, columns: staged.graph[id].type.columns ?? 0)
    }

    /// What the graph gave, once all parts have run.
    public func output() throws(Failure) -> SpooledRows {
        let columns = staged.graph[staged.graph.output].type.columns ?? 1
        guard partsRun == staged.parts.count, let carried else {
            return SpooledRows(try TemporaryFile(), columns: columns, places: [])
        }
        return carried.rows(columns: columns)
    }

    /// - Throws: `badInput` that names the value, who reads it, the sample and the row, when an element is not finite.
    private func check(
        _ values: UnsafeBufferPointer<Float>, _ id: Graph.ValueID, _ sample: Int
    ) throws(Failure) {
        var index = 0
        guard let base = values.baseAddress,
            tsr_first_nonfinite(TSR_F32, base, values.count, &index) != 0
        else { return }
        let value = staged.graph[id]
        let reader = staged.stages.first { $0.input == id }.map { ", which '\($0.name)' reads," } ?? ""
        throw .badInput(
            "'\(value.name)'\(reader) is \(values[index]) in row \(index / max(1, value.type.columns ?? 1)) of "
                + "sample \(sample) of \(feed.count)", at: "graph '\(staged.graph.name)'")
    }

    /// A value that is fed, or was computed by the last part.
    private func value(_ id: Graph.ValueID, _ sample: Int) throws(Failure) -> PlanInput {
        if let values = try carried?.floats(id, sample) { return .floats(values) }
        let input = try feed.input(staged.graph[id].name, sample)
        if case .floats(let values, _) = input {
            try values.withUnsafeBufferPointer { (values) throws(Failure) in
                try check(values, id, sample)
            }
        }
        return input
    }
}
