import GraphIR
import Runtime
import SampleSets
import Storage

extension Attribution {
    typealias ID = AttributionModules.ID

    /// Measures every part that differs between two models.
    /// - Parameters:
    ///   - journal: keeps each figure.
    ///   - report: told how many figures there are, of how many.
    init(
        _ models: AttributionModels, _ set: PreparedSet, patches: any PatchStore,
        journal: RunJournal,
        report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        let run = try AttributionRun(models.sides, set, patches: patches)
        let all = run.modules.modules
        let blocks = Self.groups(all) { module in
            module.block.map { "\(module.id.graph).block.\($0)" }
        }
        let roles = Self.groups(all) { $0.role }
        let total = 2 * (all.count + blocks.count + roles.count) + 3
        var done = 0
        func figure(_ name: String, _ value: () throws(Failure) -> Double) throws(Failure) -> Double {
            let figure = try journal.number("attribution \(name)", value)
            done += 1
            try report(done, total)
            return figure
        }
        func cost(_ name: String, _ parts: [ID]) throws(Failure) -> Cost {
            Cost(
                only: try figure("only \(name)") { () throws(Failure) in
                    try run.cost(.init(most: .base, exceptions: Set(parts)))
                },
                without: try figure("without \(name)") { () throws(Failure) in
                    try run.cost(.init(most: .other, exceptions: Set(parts)))
                })
        }
        whole = try figure("whole") { () throws(Failure) in
            try run.cost(.init(most: .other, exceptions: []))
        }
        modules = try all.map { (module) throws(Failure) in
            Module(
                name: module.name, graph: module.id.graph, block: module.block, role: module.role,
                weightRoles: module.weightRoles, cost: try cost(module.name, [module.id]))
        }
        self.blocks = try blocks.map { (name, parts) throws(Failure) in
            Group(name: name, cost: try cost("block \(name)", parts))
        }
        self.roles = try roles.map { (name, parts) throws(Failure) in
            Group(name: name, cost: try cost("role \(name)", parts))
        }
        weights = try figure("weights") { () throws(Failure) in
            let dequantized = Sides(base: models.sides.base, other: models.dequantized)
            return try AttributionRun(dequantized, set, patches: patches)
                .cost(.init(most: .other, exceptions: []))
        }
        cache = try figure("cache") { () throws(Failure) in try run.cost(cachedBy: models.cached) }
        samples = set.samples.count
        tokens = set.tokenCount
        positions = run.positionCount
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
    func cost(cachedBy engine: Engine) throws(Failure) -> Double {
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
        return divergence(try head(Mixture(most: .other, exceptions: []), hidden))
    }
}
