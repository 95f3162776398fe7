import GraphIR
import Runtime
import SampleSets
import Storage

/// A graph that is run over the same samples again and again, each time with another of its weights changed.
///
/// What it hands on where changes may begin is kept in files without names, so that of a changed graph only what comes
/// after that is run.
struct ProbeTrunk {
    /// Compiles a part of the graph with weights of the caller's.
    typealias Compile = (GraphPart) throws(Failure) -> PartRunner

    private let staged: StagedGraph
    private let feed: any GraphFeed
    /// By the number of the part that takes them.
    private var kept: [Int: CarriedValues] = [:]
    /// What the graph gives as it is.
    private(set) var output = SpooledRows.none

    /// Runs the graph as it is.
    /// - Parameter names: the weights that will be changed.
    init(
        _ graph: Graph, changing names: [String], _ feed: any GraphFeed, _ compile: Compile
    ) throws(Failure) {
        staged = StagedGraph(graph)
        self.feed = feed
        let starts = Set(names.compactMap { [staged] in Self.start(of: $0, staged) }).subtracting([0])
        let cuts = [0] + starts.sorted()
        for (first, last) in zip(cuts, cuts.dropFirst() + [staged.parts.count]) {
            let part = staged.joined(first..<last)
            if last == staged.parts.count {
                output = try rows(part, first, feed, compile) { _ in true }
            } else {
                kept[last] = try values(part, first, compile)
            }
        }
    }

    /// Whether the graph reads the weight of that name.
    func reads(_ weight: String) -> Bool { Self.start(of: weight, staged) != nil }

    /// What the graph gives with a weight changed, for each run.
    /// - Parameters:
    ///   - isDue: the runs that may differ; the others are left out.
    ///   - compile: lends the changed weight, too.
    func output(
        changing weight: String, _ compile: Compile, where isDue: (Int) -> Bool
    ) throws(Failure) -> SpooledRows {
        let start = Self.start(of: weight, staged) ?? 0
        return try rows(staged.joined(start..<staged.parts.count), start, feed, compile, where: isDue)
    }

    /// What the graph gives for each run of another feed.
    func output(
        of other: any GraphFeed, _ compile: Compile, where isDue: (Int) -> Bool
    ) throws(Failure) -> SpooledRows {
        try rows(staged.joined(0..<staged.parts.count), 0, other, compile, where: isDue)
    }

    /// The first part of the block that reads a weight; nil when none does.
    private static func start(of weight: String, _ staged: StagedGraph) -> Int? {
        guard var part = staged.parts.firstIndex(where: { $0.weightNames.contains(weight) }) else {
            return nil
        }
        // Part k + 1 begins with stage k.
        while part > 1, let block = staged.stages[part - 1].block, staged.stages[part - 2].block == block {
            part -= 1
        }
        return part
    }

    private func values(
        _ part: GraphPart, _ start: Int, _ compile: Compile
    ) throws(Failure) -> CarriedValues {
        let runner = try compile(part)
        var values = try CarriedValues(part.results)
        for run in 0..<feed.count {
            try runner(feed.extents(run), try inputs(part, start, feed, run)) { (results) throws(Failure) in
                try values.append(results)
            }
        }
        return values
    }

    private func rows(
        _ part: GraphPart, _ start: Int, _ feed: any GraphFeed, _ compile: Compile,
        where isDue: (Int) -> Bool
    ) throws(Failure) -> SpooledRows {
        let file = try TemporaryFile()
        let columns = part.graph[part.graph.output].type.columns ?? 1
        var places: [(offset: Int, rows: Int)] = []
        let runner = try compile(part)
        for run in 0..<feed.count {
            guard isDue(run) else {
                places.append((0, 0))
                continue
            }
            try runner(feed.extents(run), try inputs(part, start, feed, run)) { (results) throws(Failure) in
                places.append(
                    (try file.append(UnsafeRawBufferPointer(results[0])), results[0].count / columns))
            }
        }
        return SpooledRows(file, columns: columns, places: places)
    }

    /// What a part that begins at `start` is given.
    private func inputs(
        _ part: GraphPart, _ start: Int, _ feed: any GraphFeed, _ run: Int
    ) throws(Failure) -> [PlanInput] {
        try part.given.map { (id) throws(Failure) in
            if let values = try kept[start]?.floats(id, run) { return .floats(values) }
            return try feed.input(part.graph[id].name, run)
        }
    }
}
