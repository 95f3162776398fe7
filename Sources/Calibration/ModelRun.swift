public import GraphIR
public import Runtime
public import SampleSets
public import Storage
public import Threads

/// Runs a whole model over a calibration set, stage by stage: its vision graph, its text graph, its head.
///
/// Each node runs once for each sample. Memory is that of one stage's weights and of one sample's values.
public struct ModelRun {
    /// Linears that are about to run, and what they will read.
    public struct Visit {
        /// The name of their graph.
        public let graph: String
        /// What reads the rows.
        public let stage: StagedGraph.Stage
        /// K of the weights; experts' inputs hold several rows of K side by side.
        public let columns: Int
        let run: StagedRun
        let visualRows: (Int) -> VisualRows

        /// Lends the rows of sample after sample.
        /// - Parameter body: given the rows and which of them come of pictures or videos.
        public func forEachSample(
            _ body: (Engine.Rows, VisualRows) throws(Failure) -> Void
        ) throws(Failure) {
            for sample in 0..<run.sampleCount {
                try body(try run.stageInput(sample), visualRows(sample))
            }
        }

        /// What the stage reads in all: counted, without reading it.
        public func coverage() throws(Failure) -> StageCoverage {
            let width = run.staged.graph[stage.input].type.columns ?? 0
            var coverage = StageCoverage(
                name: stage.name, graph: graph, block: stage.block, columns: columns,
                experts: stage.routes?.experts ?? 0)
            for sample in 0..<run.sampleCount {
                let routes = try run.stageRoutes(sample)
                for part in visualRows(sample).runs(of: try run.stageRowCount(sample)) {
                    coverage.add(part.modality, rows: part.rows.count * width / max(1, columns))
                    guard let routes, let chosen = stage.routes?.chosen else { continue }
                    for row in part.rows {
                        let first = row * routes.columns
                        coverage.add(part.modality, experts: routes.values[first..<first + chosen])
                    }
                }
            }
            return coverage
        }
    }

    /// Which rows of a sample come of pictures or videos.
    public enum VisualRows: Sendable {
        /// All: the vision graph's.
        case all
        /// Those of these numbers, ascending.
        case some([Int32])
    }

    /// How far a run is.
    public struct Progress: Sendable {
        /// Sample passes done and to be done.
        public let done, total: Int
        /// What is running: `text block 3`.
        public let place: String

        /// A state from its parts.
        public init(done: Int, total: Int, place: String) {
            self.done = done
            self.total = total
            self.place = place
        }
    }

    private let model: ModelGraph
    private let prepared: PreparedSet
    private let patches: any PatchStore
    private let pool: ThreadPool
    private let largeProduct: LargeProduct?

    /// A run of `model` over a set.
    public init(
        _ model: ModelGraph, _ prepared: PreparedSet, patches: some PatchStore, pool: ThreadPool,
        largeProduct: LargeProduct? = nil
    ) {
        self.model = model
        self.prepared = prepared
        self.patches = patches
        self.pool = pool
        self.largeProduct = largeProduct
    }

    /// Runs everything.
    /// - Parameters:
    ///   - weight: lends a weight as it is to be run; asked when a part that reads it is about to run, after the visit of
    ///     its stage.
    ///   - visit: called before each stage's linears run.
    public func run(
        weight: (String) throws(Failure) -> LentWeight?,
        visit: (Visit) throws(Failure) -> Void,
        report: (Progress) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) {
        let graphs = try ["vision", "text", "head"].map { (name) throws(Failure) in try model.graph(name) }
        let counts = [prepared.visuals.count, prepared.samples.count, prepared.samples.count]
        // The head's last part would only give logits, which nothing reads.
        let parts = [StagedGraph(graphs[0]).parts.count, StagedGraph(graphs[1]).parts.count, 1]
        let total = zip(counts, parts).reduce(0) { $0 + $1.0 * $1.1 }
        var done = 0
        func walk(_ number: Int, _ feed: any GraphFeed, _ rows: @escaping (Int) -> VisualRows) throws(Failure)
            -> StagedRun
        {
            let graph = graphs[number]
            let run = StagedRun(
                graph, slots: model.weights, feed: feed, pool: pool, largeProduct: largeProduct)
            guard feed.count > 0 else { return run }
            for part in 0..<parts[number] {
                let place = Self.place(graph.name, part > 0 ? run.staged.stages[part - 1] : nil)
                try run.advance(
                    report: { (samples) throws(Failure) in
                        try report(Progress(done: done + samples, total: total, place: place))
                    }, weight: weight)
                done += feed.count
                guard part < run.staged.stages.count else { continue }
                let stage = run.staged.stages[part]
                let columns = stage.columns(in: model) ?? graph[stage.input].type.columns ?? 0
                do {
                    try visit(
                        Visit(
                            graph: graph.name, stage: stage, columns: columns, run: run, visualRows: rows))
                } catch {
                    guard error.kind == .badInput, error.place == nil else { throw error }
                    throw Failure(
                        error.kind, error.message, file: error.file, at: "what '\(stage.name)' reads",
                        remedy: error.remedy)
                }
            }
            return run
        }
        let prepared = prepared
        let vision = try walk(0, VisionFeed(prepared: prepared, patches: patches)) { _ in .all }
        let textRows = { (sample: Int) in VisualRows.some(prepared.samples[sample].visualRows) }
        let text = try walk(1, TextFeed(prepared: prepared, visuals: try vision.output()), textRows)
        _ = try walk(2, HeadFeed(prepared: prepared, hidden: try text.output()), textRows)
    }

    private static func place(_ graph: String, _ stage: StagedGraph.Stage?) -> String {
        stage?.block.map { "\(graph) block \($0)" } ?? graph
    }
}
