import Bundles
import Calibration
import GraphIR
import Prompts
import Runtime
import SampleSets
import Storage
import Tessera
import TestSupport
import Testing
import Threads

/// A model run stage by stage over a set, against the same model run whole.
@Suite(.serialized) struct ModelRunTests {
    @Test(arguments: GoldenTests.fixtures)
    func theHeadReadsTheSameBits(fixture: String) throws {
        let prepared = try PreparedFixture(fixture)
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

    /// Of a mixture, the rows that experts read are those of their stage that the router chose: of gate and up as well as
    /// of down.
    @Test func expertsAreCounted() throws {
        let prepared = try PreparedFixture("qwen3-vl-moe")
        let run = ModelRun(
            prepared.graph, prepared.set, patches: prepared.patches, pool: try ThreadPool(threads: 2))
        let pool = try ThreadPool(threads: 2)
        var mixtures: [String] = []
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                let coverage = try visit.coverage()
                let statistics = try visit.statistics(Modality.allCases, visit.coverage(), pool)
                let counts = Modality.allCases.map { statistics[$0]?.moments.count ?? 0 }
                #expect(coverage.rows == counts.reduce(0, +), "\(coverage.name)")
                guard coverage.experts > 0 else { return }
                mixtures.append(coverage.name.split(separator: ".").suffix(2).joined(separator: "."))
                // Each row of gate and up is read by all that were chosen; down has rows for each of them.
                let readers = coverage.name.contains("down") ? 1 : visit.stage.routes?.chosen ?? 0
                for (modality, count) in zip(Modality.allCases, counts) {
                    #expect(coverage.expertRows(modality).reduce(0, +) == count * readers)
                    #expect(count > 0)
                }
            })
        let blocks = prepared.graph.graphs.flatMap(\.nodes).count {
            if case .route = $0.operation { true } else { false }
        }
        #expect(mixtures == (0..<blocks).flatMap { _ in ["gate.weight", "down.weight"] } && blocks > 0)
    }

    /// The counts of experts' rows are in the file, and add up to the rows of their stage; what gate and up read is told of
    /// once, by the router's stage.
    @Test func aFileOfAMixtureReadsBack() throws {
        let prepared = try PreparedFixture("qwen3-vl-moe")
        let directory = try TemporaryDirectory()
        let path = directory.file("cal")
        let recorder = try CalibrationRecorder(
            prepared.model.bundle, prepared.set, patches: prepared.patches, detail: .light,
            sensitivity: false, threads: 2)
        _ = try recorder.run(to: OutputPath(path, replacing: false, inputs: []), data: .null) {
            _ throws(Failure) in
        }
        let file = try CalibrationFile(
            path, of: prepared.model.bundle.digest, prepared.graph, prepared.model.prompt)
        var seen = 0
        for stage in file.stages {
            for modality in stage.modalities {
                guard let entry = file.bundle["\(stage.name)/\(modality.rawValue)/experts"] else { continue }
                let mapped = file.bundle.bytes(of: entry)
                let rows = mapped.bytes.bindMemory(to: Double.self).reduce(0, +)
                withExtendedLifetime(mapped) {}
                let summary = try file.summary(stage.name, modality)
                let own = "\(stage.name)/\(modality.rawValue)/summary"
                let readers = stage.name.contains("gate") ? 3 : 1
                #expect(Int(rows) == (summary?.rows ?? 0) * readers)
                #expect((file.bundle[own] != nil) == !stage.name.contains("gate"))
                let router = stage.name.replacing("experts.gate", with: "router")
                #expect(try summary == file.summary(router, modality) || readers == 1)
                #expect(try file.meanSquares(stage.name, modality)?.isEmpty == false)
                seen += 1
            }
        }
        #expect(seen == 8)
    }

    /// Rows of pictures and rows of text, counted by the tokens of the prompts.
    @Test func modalitiesAreToldApart() throws {
        let prepared = try PreparedFixture("qwen2-vl")
        let run = ModelRun(
            prepared.graph, prepared.set, patches: prepared.patches, pool: try ThreadPool(threads: 2))
        let pool = try ThreadPool(threads: 2)
        let pictures = prepared.set.visuals.reduce(0) { $0 + ($1.grid.tokens(mergeSize: 2) ?? 0) }
        let tokens = prepared.set.tokenCount
        try run.run(
            weight: { (name) throws(Failure) in LentWeight(name, of: prepared.model.bundle) },
            visit: { (visit) throws(Failure) in
                guard visit.graph == "text" else { return }
                let statistics = try visit.statistics(Modality.allCases, visit.coverage(), pool)
                #expect(statistics[.vision]?.moments.count == pictures)
                #expect(statistics[.text]?.moments.count == tokens - pictures)
            })
    }
}
