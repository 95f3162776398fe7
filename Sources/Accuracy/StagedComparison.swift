import GraphIR
import Runtime
import SampleSets
import Storage

/// Two models side by side over a few samples, part by part: where their values part, and what each part costs alone.
///
/// A part is what comes between two groups of linears that read the same value. The other model runs it twice: on what it computed
/// itself so far, and on what the base did, so that an early damage does not hide a later one. Memory is that of one
/// part's weights and of one sample's values, whatever the number of samples.
struct StagedComparison {
    /// In the order of execution.
    private(set) var stages: [StageDifference] = []
    /// How far the rows of each visual are apart after the vision graph: ‖a − b‖ / ‖b‖ by row.
    private(set) var visualErrors: [[Float]] = []

    private let models: Sides<PartedModel>
    private let set: PreparedSet

    /// Runs both over all samples of a part of a set.
    /// - Parameters:
    ///   - patches: those of the whole set's visuals.
    ///   - report: told how many parts were run on all samples, and of how many.
    init(
        _ models: Sides<PartedModel>, _ excerpt: PreparedSet.Excerpt, _ patches: any PatchStore,
        report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        self.models = models
        set = excerpt.set
        let patches = PatchSelection(store: patches, numbers: excerpt.visuals)
        let counts = try ["vision", "text"].map { (name) throws(Failure) in
            StagedGraph(try models.base.graph.graph(name)).parts.count
        }
        let total = counts[0] * (set.visuals.isEmpty ? 0 : 1) + counts[1]
        var done = 0
        func step() throws(Failure) {
            done += 1
            try report(done, total)
        }
        var visuals = Sides(base: SpooledRows.none, other: SpooledRows.none)
        if !set.visuals.isEmpty {
            let feed = VisionFeed(prepared: set, patches: patches)
            visuals = try run("vision", Sides(base: feed, other: feed), isVisual: { _, _ in true }, step)
            visualErrors = try set.visuals.indices.map { (index) throws(Failure) in
                try Self.rowErrors(visuals, index)
            }
        }
        let rows = set.samples.map { Set($0.visualRows) }
        _ = try run(
            "text",
            Sides(
                base: TextFeed(prepared: set, visuals: visuals.base),
                other: TextFeed(prepared: set, visuals: visuals.other)),
            isVisual: { rows[$0].contains(Int32($1)) }, step)
        stages.setExpectations()
    }

    private static func rowErrors(_ rows: Sides<SpooledRows>, _ index: Int) throws(Failure) -> [Float] {
        let (a, b) = (try rows.other.values(index), try rows.base.values(index))
        let columns = rows.base.columns
        var errors: [Float] = []
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                for start in stride(from: 0, to: b.count, by: max(1, columns)) {
                    var row = StageError.Accumulator()
                    let range = start..<start + columns
                    errors.append(
                        Float(
                            row.add(
                                row: 0, UnsafeBufferPointer(rebasing: a[range]),
                                reference: UnsafeBufferPointer(rebasing: b[range]))))
                }
            }
        }
        return errors
    }

    /// Runs a graph over what it is fed, and gives what comes of it.
    private mutating func run(
        _ name: String, _ feeds: Sides<some GraphFeed>, isVisual: (Int, Int) -> Bool,
        _ step: () throws(Failure) -> Void
    ) throws(Failure) -> Sides<SpooledRows> {
        let staged = Sides(
            base: StagedGraph(try models.base.graph.graph(name)),
            other: StagedGraph(try models.other.graph.graph(name)))
        var carried: Sides<CarriedValues>?
        for number in staged.base.parts.indices {
            let parts = Sides(base: staged.base.parts[number], other: staged.other.parts[number])
            if let next = try run(parts, feeds, carried, name: name, isVisual) { carried = next }
            try step()
        }
        guard let carried else { return Sides(base: .none, other: .none) }
        let graph = staged.base.graph
        let columns = graph[graph.output].type.columns ?? 1
        return Sides(base: carried.base.rows(columns: columns), other: carried.other.rows(columns: columns))
    }

    /// Runs a part over all samples, and gives what the next part is given; nil where that is nothing.
    private mutating func run(
        _ parts: Sides<GraphPart>, _ feeds: Sides<some GraphFeed>, _ carried: Sides<CarriedValues>?,
        name: String,
        _ isVisual: (Int, Int) -> Bool
    ) throws(Failure) -> Sides<CarriedValues>? {
        guard !parts.base.results.isEmpty else { return nil }
        let runners = Sides(
            base: try models.base.runner(parts.base), other: try models.other.runner(parts.other))
        var next = Sides(
            base: try CarriedValues(parts.base.results), other: try CarriedValues(parts.base.results))
        var stages = PartStages(parts.base, graph: name)
        for sample in 0..<feeds.base.count {
            let extents = feeds.base.extents(sample)
            let given = try Self.inputs(parts.base, feeds.base, carried?.base, sample)
            let reference = try PartValues(runners.base, extents, given)
            let alone = try PartValues(runners.other, extents, given)
            let own = try Self.inputs(parts.base, feeds.other, carried?.other, sample)
            let values = own == given ? alone : try PartValues(runners.other, extents, own)
            try reference.append(to: &next.base)
            try values.append(to: &next.other)
            stages.add(sample: sample, base: reference, other: values, alone: alone) { isVisual(sample, $0) }
        }
        self.stages += stages.finish()
        return next
    }

    private static func inputs(
        _ part: GraphPart, _ feed: some GraphFeed, _ carried: CarriedValues?, _ sample: Int
    ) throws(Failure) -> [PlanInput] {
        try part.given.map { (id) throws(Failure) in
            if let values = try carried?.floats(id, sample) { return .floats(values) }
            return try feed.input(part.graph[id].name, sample)
        }
    }
}
