import GraphIR
import Runtime
import SampleSets
import Storage

extension Attribution {
    private typealias ID = AttributionModules.ID

    /// A figure that is measured: a mixture of both models.
    private struct Figure {
        let name: String
        let mixture: AttributionRun.Mixture
    }

    /// Measures every part that differs between two models.
    /// - Parameters:
    ///   - threads: how many mixtures, at most, are run side by side.
    ///   - journal: keeps each figure.
    ///   - report: told how many figures there are, of how many.
    init(
        _ models: AttributionModels, _ set: PreparedSet, patches: any PatchStore, threads: Int,
        journal: RunJournal, report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        let run = try AttributionRun(models.sides, set, patches: patches)
        let all = run.modules.modules
        let blocks = Self.groups(all) { module in
            module.block.map { "\(module.id.graph).block.\($0)" }
        }
        let roles = Self.groups(all) { $0.role }
        let groups = blocks.map { ("block " + $0.0, $0.1) } + roles.map { ("role " + $0.0, $0.1) }
        func only(_ name: String, _ parts: [ID]) -> Figure {
            Figure(name: "only \(name)", mixture: .init(most: .base, exceptions: Set(parts)))
        }
        func without(_ name: String, _ parts: [ID]) -> Figure {
            Figure(name: "without \(name)", mixture: .init(most: .other, exceptions: Set(parts)))
        }
        let measurement = Measurement(run: run, models: models.sides, threads: threads, journal: journal)
        let total =
            1 + all.count + groups.count
            + [all.count, blocks.count, roles.count].reduce(0) { $0 + min($1, Self.probed) }
        let values = try measurement.values(
            [Figure(name: "whole", mixture: .init(most: .other, exceptions: []))]
                + all.map { only($0.name, [$0.id]) } + groups.map(only)
        ) { (done) throws(Failure) in try report(done, total) }
        whole = values["whole"] ?? 0
        var parts: [String: [ID]] = [:]
        for module in all { parts[module.name] = [module.id] }
        for (name, members) in groups { parts[name] = members }
        let kinds = [all.map(\.name), blocks.map { "block " + $0.0 }, roles.map { "role " + $0.0 }]
        let costliest = kinds.flatMap { names in
            Self.largestFirst(names) { values["only \($0)"] ?? 0 }.prefix(Self.probed)
        }
        let kept = try measurement.values(costliest.map { without($0, parts[$0] ?? []) }) {
            (done) throws(Failure) in try report(values.count + done, total)
        }
        func cost(_ name: String) -> Cost {
            Cost(only: values["only \(name)"] ?? 0, without: kept["without \(name)"])
        }
        modules = all.map { module in
            Module(
                name: module.name, graph: module.id.graph, block: module.block, role: module.role,
                weightRoles: module.weightRoles, cost: cost(module.name))
        }
        self.blocks = blocks.map { Group(name: $0.0, cost: cost("block \($0.0)")) }
        self.roles = roles.map { Group(name: $0.0, cost: cost("role \($0.0)")) }
        weights = try journal.number("attribution weights") { () throws(Failure) in
            let dequantized = Sides(base: models.sides.base, other: models.dequantized)
            let run = try AttributionRun(dequantized, set, patches: patches)
            let lane = MixtureLane(dequantized, run.modules, keepsParts: false)
            return try run.cost(.init(most: .other, exceptions: []), lane)
        }
        cache = try journal.number("attribution cache") { () throws(Failure) in
            let lane = MixtureLane(models.sides, run.modules, keepsParts: false)
            return try run.cost(cachedBy: models.cached, lane)
        }
        samples = set.samples.count
        tokens = set.tokenCount
        positions = run.positionCount
    }

    /// Measures figures, several side by side.
    private struct Measurement {
        let run: AttributionRun
        let models: Sides<PartedModel>
        let threads: Int
        let journal: RunJournal

        /// The figures by their names: those that the journal knows, and those that are measured now.
        func values(
            _ figures: [Figure], report: (Int) throws(Failure) -> Void
        ) throws(Failure) -> [String: Double] {
            var values: [String: Double] = [:]
            for figure in figures { values[figure.name] = journal.number("attribution \(figure.name)") }
            let due = figures.indices.filter { values[figures[$0].name] == nil }
            let lanes = try Lanes(threads: threads, jobs: due.count) { (threads) throws(Failure) in
                MixtureLane(
                    Sides(
                        base: try models.base.twin(threads: threads),
                        other: try models.other.twin(threads: threads)), run.modules)
            }
            try lanes.run(
                due, { (lane, number) throws(Failure) in try run.cost(figures[number].mixture, lane) }
            ) { (number, value) throws(Failure) in
                try journal.keep("attribution \(figures[number].name)", value)
                values[figures[number].name] = value
                try report(values.count)
            }
            return values
        }
    }

    /// Parts by what they have in common, in the order in which each first comes.
    private static func groups(
        _ modules: [AttributionModules.Module], _ key: (AttributionModules.Module) -> String?
    ) -> [(String, [ID])] {
        var order: [String] = []
        var members: [String: [ID]] = [:]
        for module in modules {
            guard let key = key(module) else { continue }
            if members[key] == nil { order.append(key) }
            members[key, default: []].append(module.id)
        }
        return order.map { ($0, members[$0] ?? []) }
    }
}

/// What an attribution runs.
struct AttributionModels {
    let sides: Sides<PartedModel>
    /// The other model with the floats that its codes stand for.
    let dequantized: PartedModel
    /// The other model with its cache as the runtime keeps it.
    let cached: Engine
}

extension AttributionRun {
    /// The mean KL divergence from the base of a model whose keys and values are kept as an engine does.
    fileprivate func cost(cachedBy engine: Engine, _ lane: MixtureLane) throws(Failure) -> Double {
        let visuals = trunkVisuals(.other)
        let hidden = try set.samples.map { (sample) throws(Failure) -> [Float] in
            let context = try TextContext(engine, capacity: sample.tokens.count)
            var rows: [Float] = []
            for visual in sample.visuals { rows += try visuals.values(visual) }
            let input = TextContext.Input(
                tokens: sample.tokens, positions: sample.positions,
                visuals: rows.isEmpty ? nil : Engine.Rows(values: rows, columns: engine.visualWidth),
                visualRows: sample.visualRows)
            return try context.evaluate(input, wanted: .all).values
        }
        return divergence(try head(Mixture(most: .other, exceptions: []), lane, hidden))
    }
}
