import GraphIR
import Runtime
import SampleSets
import Storage

/// Runs mixtures of two models over a few samples: most parts of one, some of the other.
///
/// What each of the two hands from block to block is kept in files without names, so that a mixture is run from the block on in which
/// it begins to be one.
final class AttributionRun {
    typealias ID = AttributionModules.ID

    /// Most parts of one side, and the parts that are the other's.
    struct Mixture {
        let most: Side
        let exceptions: Set<ID>

        func side(_ id: ID) -> Side {
            guard exceptions.contains(id) else { return most }
            return most == .base ? .other : .base
        }
    }

    /// What a side gave when it ran alone.
    private struct Trunk {
        /// What it was given at each place where a run may begin.
        let starts: [ID: CarriedValues]
        /// By visual.
        let visuals: SpooledRows
        /// By sample.
        let hidden: [[Float]]
    }

    let modules: AttributionModules
    let set: PreparedSet
    private let patches: any PatchStore
    private var trunks: [Side: Trunk] = [:]
    /// By sample: the positions that are compared, and the base's logits there.
    private let scored: [[Int]]
    private var reference: [[Float]] = []

    /// Positions that are compared at most: the base's logits there stay in memory.
    static let positions = 128

    /// Runs both models over the samples.
    init(_ models: Sides<PartedModel>, _ set: PreparedSet, patches: any PatchStore) throws(Failure) {
        self.set = set
        self.patches = patches
        modules = try AttributionModules(models.base, models.other, hasVisuals: !set.visuals.isEmpty)
        let rows = set.samples.map(\.textRows)
        // Neighbours tell much the same, and logits are dear.
        scored = Self.spread(rows, min(Self.positions, (rows.joined().count + 1) / 2))
        // Each part is run once here: to keep its weights at hand would be of no use.
        let lane = MixtureLane(models, modules, keepsParts: false)
        for side in [Side.base, .other] {
            let whole = Mixture(most: side, exceptions: [])
            var starts: [ID: CarriedValues]? = [:]
            let visuals = try vision(whole, lane, from: 0, recordingIn: &starts)
            let hidden = try text(whole, lane, visuals, from: 0, recordingIn: &starts)
            trunks[side] = Trunk(starts: starts ?? [:], visuals: visuals, hidden: hidden)
        }
        reference = try head(Mixture(most: .base, exceptions: []), lane, trunks[.base]?.hidden ?? [])
    }

    /// So many positions at most of all samples, evenly spread.
    private static func spread(_ rows: [[Int]], _ most: Int) -> [[Int]] {
        let total = rows.reduce(0) { $0 + $1.count }
        guard total > most else { return rows }
        var (seen, taken) = (0, 0)
        return rows.map { rows in
            rows.filter { _ in
                defer { seen += 1 }
                guard seen * most / total >= taken else { return false }
                taken += 1
                return true
            }
        }
    }

    /// Positions that are compared.
    var positionCount: Int { scored.reduce(0) { $0 + $1.count } }

    /// The mean KL divergence of a mixture from the base, run by one of several lanes.
    func cost(_ mixture: Mixture, _ lane: MixtureLane) throws(Failure) -> Double {
        var unrecorded: [ID: CarriedValues]?
        let first = Dictionary(grouping: mixture.exceptions, by: \.graph).mapValues {
            $0.map(\.part).min() ?? 0
        }
        var visuals = trunks[mixture.most]?.visuals ?? .none
        var hidden = trunks[mixture.most]?.hidden ?? []
        if let part = first["vision"] {
            visuals = try vision(
                mixture, lane, from: modules.start(before: ID(graph: "vision", part: part)),
                recordingIn: &unrecorded)
        }
        if first["vision"] != nil {
            hidden = try text(mixture, lane, visuals, from: 0, recordingIn: &unrecorded)
        } else if let part = first["text"] {
            hidden = try text(
                mixture, lane, visuals, from: modules.start(before: ID(graph: "text", part: part)),
                recordingIn: &unrecorded)
        }
        return divergence(try head(mixture, lane, hidden))
    }

    /// Visual rows that a side gave when it ran alone.
    func trunkVisuals(_ side: Side) -> SpooledRows { trunks[side]?.visuals ?? .none }

    /// The mean KL divergence of logits from the base's.
    func divergence(_ logits: [[Float]]) -> Double {
        var divergence = Divergence()
        for (rows, (base, other)) in zip(scored, zip(reference, logits)) where !rows.isEmpty {
            let width = base.count / rows.count
            base.withUnsafeBufferPointer { base in
                other.withUnsafeBufferPointer { other in
                    for start in stride(from: 0, to: base.count, by: width) {
                        divergence.add(
                            base: UnsafeBufferPointer(rebasing: base[start..<start + width]),
                            other: UnsafeBufferPointer(rebasing: other[start..<start + width]), target: nil)
                    }
                }
            }
        }
        return divergence.summary?.mean ?? 0
    }

    private func vision(
        _ mixture: Mixture, _ lane: MixtureLane, from start: Int,
        recordingIn record: inout [ID: CarriedValues]?
    ) throws(Failure) -> SpooledRows {
        guard let graph = modules.parts["vision"]?.base.first?.graph else { return .none }
        let rows = try walk(
            "vision", mixture, lane, VisionFeed(prepared: set, patches: patches), from: start, &record)
        return try SpooledRows(rows, columns: graph[graph.output].type.columns ?? 1)
    }

    private func text(
        _ mixture: Mixture, _ lane: MixtureLane, _ visuals: SpooledRows, from start: Int,
        recordingIn record: inout [ID: CarriedValues]?
    ) throws(Failure) -> [[Float]] {
        try walk("text", mixture, lane, TextFeed(prepared: set, visuals: visuals), from: start, &record)
    }

    /// The logits of the positions that are compared, by sample.
    func head(_ mixture: Mixture, _ lane: MixtureLane, _ hidden: [[Float]]) throws(Failure) -> [[Float]] {
        let id = ID(graph: "head", part: 0)
        guard let part = modules.parts["head"]?.base.first else { return [] }
        let runner = try lane.runner(mixture.side(id), id)
        let columns = part.graph[part.given[0]].type.columns ?? 1
        return try zip(scored, hidden).map { (rows, values) throws(Failure) in
            guard !rows.isEmpty else { return [] }
            let picked = rows.flatMap { values[$0 * columns..<($0 + 1) * columns] }
            return try runner(Extents(outputs: rows.count), [.floats(picked)]) { Array($0[0]) }
        }
    }

    /// Runs a graph from part `start` on, and gives its output for each run.
    /// - Parameter record: gets what is handed on where a run may begin, unless it is nil.
    private func walk(
        _ graph: String, _ mixture: Mixture, _ lane: MixtureLane, _ feed: some GraphFeed, from start: Int,
        _ record: inout [ID: CarriedValues]?
    ) throws(Failure) -> [[Float]] {
        guard let parts = modules.parts[graph]?.base, let output = parts.last?.graph.output else { return [] }
        var values: [[Graph.ValueID: [Float]]] = Array(repeating: [:], count: feed.count)
        if start > 0, let kept = trunks[mixture.most]?.starts[ID(graph: graph, part: start)] {
            for run in values.indices {
                for id in parts[start].given { values[run][id] = try kept.floats(id, run) }
            }
        }
        for number in start..<parts.count where !parts[number].results.isEmpty {
            let (part, id) = (parts[number], ID(graph: graph, part: number))
            if record != nil, number > 0, modules.starts[graph]?.contains(number) == true {
                record?[id] = try Self.keep(parts[number - 1].results, values)
            }
            let runner = try lane.runner(mixture.side(id), id)
            for run in values.indices {
                let inputs = try part.given.map { (id) throws(Failure) in
                    if let floats = values[run][id] { return PlanInput.floats(floats) }
                    return try feed.input(part.graph[id].name, run)
                }
                let results = try runner(feed.extents(run), inputs) { $0.map { Array($0) } }
                values[run] = Dictionary(uniqueKeysWithValues: zip(part.results, results))
            }
        }
        return values.map { $0[output] ?? [] }
    }

    private static func keep(
        _ ids: [Graph.ValueID], _ values: [[Graph.ValueID: [Float]]]
    ) throws(Failure) -> CarriedValues {
        var carried = try CarriedValues(ids)
        for run in values { try carried.append(ids.map { run[$0] ?? [] }) }
        return carried
    }
}
