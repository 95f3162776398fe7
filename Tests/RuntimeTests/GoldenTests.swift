import Accuracy
import FloatProducts
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// The float path against what transformers computed in float32, from every layout that checkpoints come in.
@Suite(.serialized) struct GoldenTests {
    /// Differences come from the order of float32 additions alone; the stages are within some 1e-6 of their largest value.
    static let tolerance = 2e-5

    /// Of a delta rule the reference's own float32 lies up to 6e-5 from what it computes of the same model in float64: each layer's
    /// norm of small results makes more of a difference.
    static func tolerance(of fixture: String) -> Double { fixture.hasPrefix("qwen3.5") ? 2e-4 : tolerance }

    /// The random models; their cases are those of `golden/cases.json`.
    /// All but the first generation's, which ``QwenVLGoldenTests`` compares.
    static let fixtures = Fixtures.published.filter { $0 != "qwen-vl" }

    @Test(arguments: fixtures.flatMap { fixture in Layout.all(of: fixture).map { (fixture, $0) } })
    func everyStageAgrees(fixture: String, layout: Layout) throws {
        let directory = try TemporaryDirectory()
        let checkpoint = directory.file("checkpoint")
        try layout.write(fixture, to: checkpoint)
        let path = try makeBundle(checkpoint, nil, at: directory.file("model.tessera"))
        for large in [nil, LargeProduct.openBLAS()] {
            let model = try Model(path, .init(threads: 2, cachePrecision: .float32, largeProduct: large))
            for golden in try GoldenCase.all(of: fixture) {
                let comparison = try golden.compare(model)
                let comment = Comment(rawValue: golden.name)
                #expect(comparison.positionsEqual == true, comment)
                #expect(try comparison.stages.count == golden.stageCount, comment)
                #expect(comparison.firstBeyond(GoldenTests.tolerance(of: fixture))?.name == nil, comment)
                let greedy = try #require(comparison.greedy)
                #expect(greedy.reference == greedy.model, comment)
            }
        }
    }

    /// The shards of the published folder itself, not what a test made of them.
    @Test(arguments: fixtures)
    func theShardsAgree(fixture: String) throws {
        let model = try Model(try Bundled.path(fixture), .init(threads: 2, cachePrecision: .float32))
        let comparison = try GoldenCase(fixture, "image2").compare(model)
        #expect(comparison.firstBeyond(GoldenTests.tolerance(of: fixture))?.name == nil)
    }

    /// Random weights say nothing about quality; that quantized towers, decoders and experts run and stay near does. A delta rule of
    /// random queries and keys makes far more of an error than a trained one, whose results are not small by chance.
    @Test(arguments: fixtures, [("int8", 0.005, 0.5), ("int4", 0.3, 2)])
    func quantizedStaysNear(fixture: String, recipe: (name: String, bound: Double, hybrid: Double)) throws {
        let isHybrid = fixture.hasPrefix("qwen3.5")
        let bound = isHybrid ? recipe.hybrid : recipe.bound
        let model = try Model(try Bundled.path(fixture, recipe.name), .init(threads: 2))
        for golden in try GoldenCase.all(of: fixture) {
            let comparison = try golden.compare(model)
            let comment = Comment(rawValue: golden.name)
            let divergence = try #require(comparison.divergence)
            #expect(divergence.mean > 0 && divergence.mean < bound, comment)
            #expect(comparison.firstBeyond(isHybrid ? 2 : 1)?.name == nil, comment)
            let greedy = try #require(comparison.greedy)
            #expect(greedy.model.count == greedy.reference.count, comment)
        }
    }

    @Test(arguments: ["scene_0", "scene_1"])
    func theTrainedModelAgrees(name: String) throws {
        let comparison = try compareScene(name, Bundled.demo, .float32)
        #expect(comparison.firstBeyond(GoldenTests.tolerance)?.name == nil)
        #expect(!comparison.stages.isEmpty)
        let greedy = try #require(comparison.greedy)
        #expect(greedy.model.starts(with: greedy.reference))
    }

    /// A comparison that could not fail would prove nothing.
    @Test func aWrongWeightIsFoundWhereItIs() throws {
        let comparison = try compareScene("scene_0", Bundled.demoInt4, .float16)
        #expect(comparison.firstBeyond(GoldenTests.tolerance)?.name == "image.out")
    }

    private func compareScene(
        _ name: String, _ bundle: Result<String, any Error>, _ precision: KeyValueCache.Precision
    ) throws -> GoldenComparison {
        let model = try Model(try bundle.get(), .init(threads: 2, cachePrecision: precision))
        return try GoldenComparison(
            model, file: Fixtures.path("demo-pictures/\(name).safetensors"),
            visuals: [.init(.image, try model.picture(Fixtures.path("demo-pictures/\(name).png")))])
    }
}
