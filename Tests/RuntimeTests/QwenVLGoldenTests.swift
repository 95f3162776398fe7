import Accuracy
import FloatProducts
import Generations
import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// Qwen-VL of 2023, from PyTorch shards, against what its own published code computed in float32; and, for prompts beyond
/// the trained length, what a decoder in float64 did.
@Suite(.serialized) struct QwenVLGoldenTests {
    /// Sums of thousands of terms in another order; the longest prompt is the furthest, at 1.4e-5.
    static let tolerance = 5e-5

    private static let directory = Result { try TemporaryDirectory() }
    private static let exact = Result { try make(nil) }

    private static func make(_ recipe: String?) throws -> String {
        let model = try Converter.qwenVL.read(Fixtures.path("qwen-vl/published"))
        return try makeBundle(model, recipe, at: directory.get().file((recipe ?? "exact") + ".tessera"))
    }

    private func comparison(
        _ bundle: String, _ name: String, _ pictures: [String], large: LargeProduct? = nil
    ) throws -> GoldenComparison {
        let model = try Model(
            bundle, .init(threads: 2, chunk: 100, cachePrecision: .float32, largeProduct: large))
        return try GoldenComparison(
            model, file: Fixtures.path("qwen-vl/golden/\(name).safetensors"),
            visuals: pictures.map {
                .init(.image, try model.picture(Fixtures.path("qwen-vl/golden/\($0).png")))
            })
    }

    @Test(
        arguments: [
            ("text_raw", [], 4), ("image_raw", ["img0"], 6), ("two_images_chat", [], 6),
            ("stretched3", [], 1), ("stretched7", [], 1),
        ] as [(String, [String], Int)])
    func everyStageAgrees(name: String, pictures: [String], stages: Int) throws {
        for large in [nil, LargeProduct.openBLAS()] {
            let comparison = try comparison(QwenVLGoldenTests.exact.get(), name, pictures, large: large)
            #expect(comparison.stages.count == stages)
            #expect(comparison.firstBeyond(QwenVLGoldenTests.tolerance)?.name == nil)
            let greedy = try #require(comparison.greedy)
            #expect(greedy.reference == greedy.model)
        }
    }

    /// Random weights say nothing about quality; that quantized towers and decoders run and stay near does.
    @Test(arguments: [("int8", 0.02), ("int4", 0.3)])
    func quantizedStaysNear(recipe: String, bound: Double) throws {
        let bundle = try QwenVLGoldenTests.make(recipe)
        let comparison = try comparison(bundle, "two_images_chat", [])
        let mean = try #require(comparison.divergence).mean
        #expect(mean > 0 && mean < bound, "\(mean)")
    }

    /// Saved and loaded after a turn, with drafts and without, a conversation about a picture is the same; its second turn is
    /// beyond the trained length, so that everything is read anew with positions that stretch.
    @Test func savedConversationsGoOn() throws {
        let model = try Model(QwenVLGoldenTests.exact.get(), .init(threads: 2))
        let picture = try model.picture(Fixtures.path("qwen-vl/golden/img0.png"))
        let path = try QwenVLGoldenTests.directory.get().file("session")
        let long = String(repeating: "What is this? ", count: 60)
        var answers: [[Int32]] = []
        for draft in Session.Draft.allCases {
            let options = Session.Options(sampling: .init(), maximumTokens: 12, draft: draft)
            let kept = try Session(model, capacity: 900)
            answers.append(
                try kept.answer([.image(picture), .text("What is this?")], options: options).tokens)
            try kept.save(to: OutputPath(path, replacing: true, inputs: []))
            let loaded = try Session(model, resuming: path, capacity: 800)
            for session in [kept, loaded] {
                let answer = try session.answer([.text(long)], options: options)
                answers.append(answer.tokens)
            }
        }
        #expect(answers[0] == answers[3])
        #expect(answers[1] == answers[2] && answers[1] == answers[4] && answers[1] == answers[5])
    }

    @Test func relativesAreRefused() throws {
        let folder = try QwenVLGoldenTests.directory.get().file("relative")
        try makeDirectory(folder)
        let config = try JSON(file: Fixtures.path("qwen-vl/published/config.json"))
        let members = try #require(config.members).filter { $0.key != "visual" }
        for (name, relative) in [
            ("text-only Qwen", JSON.object(members)),
            ("Qwen-Audio", JSON.object(members + [JSON.Member("audio", .object([]))])),
        ] {
            try writeFile(Path.join(folder, "config.json"), Array(relative.serialized().utf8))
            do {
                _ = try Converter.qwenVL.read(folder)
                Issue.record("\(name) was accepted")
            } catch {
                #expect(error.kind == .badInput)
                #expect(error.message.contains(name))
            }
        }
    }
}
