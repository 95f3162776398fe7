import Bundles
import Calibration
import Checkpoints
import Generations
import GraphIR
import GroupFormats
import Prompts
import Runtime
import SampleSets
import Storage
import Tessera
import TestSupport
import Testing

@testable import Quantization

/// Models whose residual stream is turned, and whether that is kept.
@Suite(.serialized) struct ResidualTurnTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Models

    /// The bundle of a fixture with a head of its own.
    private func untied(_ fixture: String) throws -> Bundle {
        let published = Fixtures.path("\(fixture)/published")
        guard try Checkpoint(published).tensors.allSatisfy({ $0.name != "lm_head.weight" }) else {
            return try Bundle(try Bundled.path(fixture))
        }
        let folder = directory.file("untied")
        try makeDirectory(folder)
        for file in try Path.list(published) where file.hasSuffix("config.json") {
            try writeFile(Path.join(folder, file), try readFile(Path.join(published, file)))
        }
        var tensors: [TestTensor] = []
        for tensor in try Checkpoint(published).tensors {
            var bytes = [UInt8](tensor.data.bytes)
            tensors.append(TestTensor(tensor.name, "BF16", tensor.shape.extents, bytes))
            guard tensor.name.hasSuffix("embed_tokens.weight") else { continue }
            // The embedding with every sign turned: a head that is it would not be stored.
            for index in stride(from: 1, to: bytes.count, by: 2) { bytes[index] ^= 0x80 }
            tensors.append(TestTensor("lm_head.weight", "BF16", tensor.shape.extents, bytes))
        }
        try writeSafetensors(tensors, to: Path.join(folder, "model.safetensors"))
        return try Bundle(makeBundle(folder, nil, at: directory.file("untied.tessera")))
    }

    /// The bundle of a model with changed weights.
    private func changed(_ bundle: Bundle, _ rewrites: [String: Rewrite]) throws -> Bundle {
        let graph = try ModelGraph(json: bundle.graphJSON)
        let source = RewrittenWeights(try BundleWeights(bundle), rewrites)
        let plan = try QuantizationPlan(Recipe("keep", rules: []), graph, source.weights)
        let path = directory.file("changed.tessera")
        let writer = try BundleWriter(
            OutputPath(path, replacing: true, inputs: []), fingerprint: .null, plan: plan.descriptions)
        try Quantizer(plan, threads: 2).run(source, into: writer)
        _ = try writer.finish(graph: graph.json, metadata: bundle.metadata, tokenizer: bundle.tokenizer)
        return try Bundle(path)
    }

    private func open(_ bundle: Bundle) throws -> Model {
        try Model(bundle.path, .init(threads: 2, cachePrecision: .float32))
    }

    private func logits(_ model: Model, _ golden: GoldenCase) throws -> [Float] {
        let prompt = try golden.prompt(model)
        var visuals = Engine.Rows(values: [], columns: model.engine.visualWidth)
        for visual in prompt.visuals { visuals.values += try model.encode(visual.patches).values }
        let context = try TextContext(model.engine, capacity: prompt.tokens.count)
        let hidden = try context.evaluate(
            prompt.input(visuals.values.isEmpty ? nil : visuals), wanted: .all)
        return try model.engine.logits(hidden).values
    }

    private func relativeError(_ a: [Float], _ b: [Float]) -> Float {
        let scale = b.map(abs).max() ?? 1
        return zip(a, b).map { abs($0 - $1) }.max().map { $0 / scale } ?? .infinity
    }

    // MARK: Turned models

    /// With pictures, videos and text, rows handed to later layers and experts among them. The second generation's tower has
    /// layer norms; that of 2.5 is turned, too.
    @Test(arguments: [("qwen2-vl", 1), ("qwen2.5-vl", 2), ("qwen3-vl", 1), ("qwen3-vl-moe", 1)])
    func turnedModelsComputeTheSame(fixture: String, streams: Int) throws {
        let bundle = try untied(fixture)
        let graph = try ModelGraph(json: bundle.graphJSON)
        let turnable = graph.residualStreams.turnable
        #expect(turnable.count == streams)
        var rewrites: [String: Rewrite] = [:]
        for stream in turnable {
            rewrites = rewrites.then(try stream.rewrites(try BundleWeights(bundle)))
        }
        try expectSame(bundle, rewrites, fixture)
        try expectSame(bundle, rewrites.then(try others(graph, bundle)), fixture)
        let turned = try changed(bundle, rewrites)
        for name in ["text.embedding.weight", "text.head.weight"] {
            #expect(turned[name]?.note.contains("residual stream turned") == true)
        }
        let tower = turned.tensors.contains {
            $0.name.hasPrefix("vision.block") && $0.note.contains("turned")
        }
        #expect(tower == (streams == 2))
    }

    /// Logits of all prompts are those of the model as it was.
    private func expectSame(_ bundle: Bundle, _ rewrites: [String: Rewrite], _ fixture: String) throws {
        let (plain, other) = (try open(bundle), try open(try changed(bundle, rewrites)))
        for golden in try GoldenCase.all(of: fixture) {
            let (expected, found) = (try logits(plain, golden), try logits(other, golden))
            #expect(relativeError(found, expected) < 1e-4, "\(golden.name)")
            #expect(found != expected)
        }
    }

    /// What the other steps may do, everywhere.
    private func others(_ graph: ModelGraph, _ bundle: Bundle) throws -> [String: Rewrite] {
        var rewrites: [String: Rewrite] = [:]
        for place in graph.equivalences {
            switch place {
            case .scaling(let norm, let readers):
                let columns = try #require(bundle[norm.weight]?.shape.count)
                let scales = (0..<columns).map { 1 + Float($0 % 7) / 4 }
                for vector in [norm.weight, norm.bias].compactMap({ $0 }) {
                    rewrites[vector] = Rewrite(.fold, rows: [.scale(scales.map { 1 / $0 })])
                }
                let change = Rewrite(.fold, columns: [.scale(scales)])
                for reader in readers { rewrites = rewrites.then([reader: change]) }
            case .heads(let turn):
                let turned = Turn(range: turn.rows, size: turn.headDimension)
                let rows = Rewrite(.turnHeads, rows: [.turn(turned)])
                let columns = try #require(bundle[turn.reader]?.shape.extents.last)
                let back = Turn(range: 0..<columns, size: turn.headDimension)
                for weight in [turn.producer, turn.bias].compactMap({ $0 }) {
                    rewrites = rewrites.then([weight: rows])
                }
                rewrites = rewrites.then([turn.reader: Rewrite(.turnHeads, columns: [.turn(back)])])
            case .residual: break
            }
        }
        return rewrites
    }

    @Test func theFirstGenerationIsTurnedToo() throws {
        let model = try Converter.qwenVL.read(Fixtures.path("qwen-vl/published"))
        let turnable = model.plan.graph.residualStreams.turnable
        #expect(turnable.map(\.width) == [256])
        #expect(turnable.first?.writers.contains { $0.weight == "vision.projection.weight" } == true)
    }

    @Test(arguments: ["qwen3-vl", "demo-qwen2-vl"])
    func tiedModelsAreRefused(fixture: String) throws {
        let graph = try ModelGraph(json: try Bundle(try Bundled.path(fixture)).graphJSON)
        let (turnable, objections) = graph.residualStreams
        #expect(turnable.isEmpty)
        #expect(objections.contains { $0.contains("'text.embedding.weight' is used more than once") })
    }

    // MARK: What is kept

    /// A calibration file of the prompts of a fixture.
    private func calibrate(_ bundle: Bundle, _ fixture: String) throws -> CalibrationFile {
        let model = try open(bundle)
        let patches = try SpooledPatches()
        var set = PreparedSet(model.prompt)
        for golden in try GoldenCase.all(of: fixture) {
            let prompt = try golden.prompt(model)
            for visual in prompt.visuals { try patches.append(visual.patches.values) }
            try set.add(
                prompt.tokens,
                prompt.visuals.map {
                    .init(
                        $0.medium, $0.patches.grid, secondsPerFrame: $0.secondsPerFrame,
                        timestamps: $0.timestamps)
                })
        }
        let path = directory.file("cal")
        let recorder = try CalibrationRecorder(
            bundle, set, patches: patches, detail: .full, sensitivity: false, threads: 2)
        _ = try recorder.run(to: OutputPath(path, replacing: true, inputs: []), data: .null) {
            _ throws(Failure) in
        }
        let graph = try ModelGraph(json: bundle.graphJSON)
        return try CalibrationFile(path, of: bundle.digest, graph, model.prompt)
    }

    private func search(
        _ bundle: Bundle, _ file: CalibrationFile, _ choice: Recipe.Choice, threads: Int = 2
    ) throws -> RewriteSearch {
        let graph = try ModelGraph(json: bundle.graphJSON)
        let rule = Recipe.Rule(["text.attention.*", "text.mlp.*"], choice)
        let recipe = Recipe("r", rules: [rule], steps: [.turnResidual])
        let plan = try QuantizationPlan(
            recipe, graph, try BundleWeights(bundle).weights, solver: .best(calibrated: true))
        return try RewriteSearch(plan, graph, bundle, file, threads: threads) { _ throws(Failure) in }
    }

    /// A model some of whose columns dwarf the others in their groups: turning them helps the answers, and is kept. Where nothing is
    /// quantized it can only harm, and is left out.
    @Test func whatHelpsTheAnswersIsKept() throws {
        let bundle = try changed(try Bundle(try Bundled.path("qwen2-vl")), try outliers())
        let file = try calibrate(bundle, "qwen2-vl")
        let format = try #require(GroupFormat(.four, groupSize: 128))
        let search = try search(bundle, file, .groups(format, nil))
        let outcome = try #require(search.outcomes.first)
        let divergences = try #require(outcome.divergences)
        #expect(outcome.isKept && divergences.with < 0.7 * divergences.without && divergences.with > 0)
        #expect(search.weights.weights.contains { $0.note.contains("residual stream turned") })
        let again = try self.search(bundle, file, .groups(format, nil), threads: 1).outcomes.first
        #expect(again?.divergences?.with == divergences.with)
        #expect(again?.divergences?.without == divergences.without)

        let kept = try self.search(bundle, file, .keep)
        let idle = try #require(kept.outcomes.first)
        #expect(idle.divergences?.without == 0 && !idle.isKept && idle.findings.count == 1)
        #expect(try kept.weights.weights == BundleWeights(bundle).weights)
    }

    /// One column in 16 of what reads each norm made larger, and the norm's weight there smaller.
    private func outliers() throws -> [String: Rewrite] {
        let bundle = try Bundle(try Bundled.path("qwen2-vl"))
        var rewrites: [String: Rewrite] = [:]
        for stream in try ModelGraph(json: bundle.graphJSON).residualStreams.turnable {
            let scales = (0..<stream.width).map { Float($0 % 16 == 5 ? 32 : 1) }
            for reader in stream.readers {
                rewrites[reader.norm] = Rewrite(.fold, rows: [.scale(scales.map { 1 / $0 })])
                for linear in reader.linears {
                    rewrites[linear] = Rewrite(.fold, columns: [.scale(scales)])
                }
            }
        }
        return rewrites
    }
}
