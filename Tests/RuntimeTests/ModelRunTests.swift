import Bundles
import Calibration
import GraphIR
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing
import Threads

/// A model run stage by stage over a set, against the same model run whole.
@Suite(.serialized) struct ModelRunTests {
    private struct Prepared {
        let model: Model
        let graph: ModelGraph
        let set: PreparedSet
        let patches: SpooledPatches
        /// Each prompt's final hidden states, of the model run whole.
        let hidden: [Engine.Rows]
    }

    private func prepare(_ fixture: String) throws -> Prepared {
        let model = try Model(
            try Bundled.path(fixture), .init(threads: 2, cachePrecision: .float32, largeProduct: nil))
        let patches = try SpooledPatches()
        var set = PreparedSet(model.prompt)
        var hidden: [Engine.Rows] = []
        for golden in try GoldenCase.all(of: fixture) {
            let prompt = try golden.prompt(model)
            var visuals = Engine.Rows(values: [], columns: model.engine.visualWidth)
            for visual in prompt.visuals {
                // A set keeps patches as float16.
                var rounded = visual.patches
                rounded.values = rounded.values.map { Float(Float16($0)) }
                visuals.values += try model.encode(rounded).values
                try patches.append(visual.patches.values)
            }
            try set.add(
                prompt.tokens,
                prompt.visuals.map {
                    .init(
                        $0.medium, $0.patches.grid, secondsPerFrame: $0.secondsPerFrame,
                        timestamps: $0.timestamps)
                })
            let context = try TextContext(model.engine, capacity: prompt.tokens.count)
            hidden.append(
                try context.evaluate(prompt.input(visuals.values.isEmpty ? nil : visuals), wanted: .all))
        }
        let graph = try ModelGraph(json: try model.bundle.graphJSON)
        return Prepared(model: model, graph: graph, set: set, patches: patches, hidden: hidden)
    }

    @Test(arguments: GoldenTests.fixtures)
    func theHeadReadsTheSameBits(fixture: String) throws {
        let prepared = try prepare(fixture)
        let run = ModelRun(
            prepared.graph, prepared.set, patches: prepared.patches, pool: try ThreadPool(threads: 2))
        var stages: Set<String> = []
        var hidden: [Engine.Rows] = []
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                stages.formUnion(visit.stage.linears.flatMap(\.operation.weightNames))
                guard visit.graph == "head" else { return }
                try visit.forEachSample { (rows, _) throws(Failure) in hidden.append(rows) }
            })
        #expect(hidden.map(\.values) == prepared.hidden.map(\.values))
        // Every linear of the model was visited.
        let linears = prepared.graph.graphs.flatMap(\.nodes).filter {
            switch $0.operation {
            case .linear, .expertLinear: true
            default: false
            }
        }
        #expect(!linears.isEmpty && linears.allSatisfy { stages.isSuperset(of: $0.operation.weightNames) })
    }

    /// Of a mixture, the rows that experts read are those of their stage, and those that the router chose.
    @Test func expertsAreCounted() throws {
        let prepared = try prepare("qwen3-vl-moe")
        let run = ModelRun(
            prepared.graph, prepared.set, patches: prepared.patches, pool: try ThreadPool(threads: 2))
        let pool = try ThreadPool(threads: 2)
        var mixtures = 0
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                let coverage = try visit.coverage()
                let statistics = try visit.statistics(Modality.allCases, pool)
                let counts = Modality.allCases.map { statistics[$0]?.moments.count ?? 0 }
                #expect(coverage.rows == counts.reduce(0, +), "\(coverage.name)")
                guard coverage.experts > 0 else { return }
                mixtures += 1
                #expect(coverage.name.contains("down"))
                for (modality, count) in zip(Modality.allCases, counts) {
                    #expect(coverage.expertRows(modality).reduce(0, +) == count)
                    #expect(count > 0)
                }
            })
        let blocks = prepared.graph.graphs.flatMap(\.nodes).count {
            if case .route = $0.operation { true } else { false }
        }
        #expect(mixtures == blocks && blocks > 0)
    }

    /// The counts of experts' rows are in the file, and add up to the rows of their stage.
    @Test func aFileOfAMixtureReadsBack() throws {
        let prepared = try prepare("qwen3-vl-moe")
        let directory = try TemporaryDirectory()
        let path = directory.file("cal")
        let recorder = try CalibrationRecorder(
            prepared.model.bundle, prepared.set, patches: prepared.patches, detail: .light,
            sensitivity: false, threads: 2)
        _ = try recorder.run(to: path, overwrite: false, data: .null) { _ throws(Failure) in }
        let file = try CalibrationFile(
            path, of: prepared.model.bundle.digest, prepared.graph, prepared.model.prompt)
        var seen = 0
        for stage in file.stages {
            for modality in stage.modalities {
                guard let entry = file.bundle["\(stage.name)/\(modality.rawValue)/experts"] else { continue }
                let mapped = file.bundle.bytes(of: entry)
                let rows = mapped.bytes.bindMemory(to: Double.self).reduce(0, +)
                withExtendedLifetime(mapped) {}
                #expect(Int(rows) == (try file.summary(stage.name, modality)?.rows))
                seen += 1
            }
        }
        #expect(seen > 0)
    }

    /// Rows of pictures and rows of text, counted by the tokens of the prompts.
    @Test func modalitiesAreToldApart() throws {
        let prepared = try prepare("qwen2-vl")
        let run = ModelRun(
            prepared.graph, prepared.set, patches: prepared.patches, pool: try ThreadPool(threads: 2))
        let pool = try ThreadPool(threads: 2)
        let pictures = prepared.set.visuals.reduce(0) { $0 + ($1.grid.tokens(mergeSize: 2) ?? 0) }
        let tokens = prepared.set.tokenCount
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                guard visit.graph == "text" else { return }
                let statistics = try visit.statistics(Modality.allCases, pool)
                #expect(statistics[.vision]?.moments.count == pictures)
                #expect(statistics[.text]?.moments.count == tokens - pictures)
            })
    }
}
