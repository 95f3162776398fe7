import Generations
import Prompts
import Storage
import Tessera
import TestSupport
import Testing

@testable import Runtime

/// The prompt settings of every generation with one or two members replaced by nonsense: refused, or used without a trap.
@Suite struct PromptMutationTests {
    private static let nonsense: [JSON] = [
        0, -1, 1, 2, 3, 255, 4096, 65536, .int(.max), .int(.min), .double(.nan), .double(.infinity),
        .double(-.infinity), -1e30, 1e308, 1e-308, 0.5, "", "frame", "seconds", "whole_video", "torchvision",
        "<|image_pad|>", .null, .array([]), .object([]), true, false, [1, 2, 3], [0, 0, 0],
        [.double(.nan), 1, 1],
    ]

    /// `json` with one member, however deep, replaced or left out.
    private func mutate(_ json: JSON, _ random: inout SplitMix64) -> JSON {
        guard case .object(var members) = json, let index = members.indices.randomElement(using: &random)
        else {
            // What is near may well be possible.
            if let number = json.int, Bool.random(using: &random) {
                return .int(number &+ Int.random(in: -2...2, using: &random))
            }
            return PromptMutationTests.nonsense.randomElement(using: &random) ?? .null
        }
        if Int.random(in: 0..<12, using: &random) == 0 {
            members.remove(at: index)
        } else {
            members[index] = .init(members[index].key, mutate(members[index].value, &random))
        }
        return .object(members)
    }

    private func settings(_ fixture: String) throws -> JSON {
        let model = try ImportedModel.ofAnyGeneration(Fixtures.path("\(fixture)/published"))
        return try #require(model.metadata(sources: [], recipe: .null)["prompt"])
    }

    @Test(arguments: ["qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
    func nonsenseIsRefusedOrRuns(fixture: String) throws {
        let tokenizer = try Tokenizer(
            checkpoint: Fixtures.path(fixture == "qwen-vl" ? "qwen-vl/published" : "demo-qwen2-vl"))
        var original = try settings(fixture)
        // The tokenizer is another model's.
        for (key, token) in [("image_token", "<|image_pad|>"), ("video_token", "<|video_pad|>")] {
            if let id = tokenizer.id(of: token) { original = original.setting(key, to: .int(Int(id))) }
        }
        // A number names a mutant.
        var random = SplitMix64(state: 20_261_128)
        var (refused, ran) = (0, 0)
        for number in 0..<400 {
            var mutant = mutate(original, &random)
            if number % 3 == 0 { mutant = mutate(mutant, &random) }
            do {
                try use(try PromptSettings(json: mutant), tokenizer)
                ran += 1
            } catch let error as Failure {
                #expect([.badInput, .limit].contains(error.kind), "\(number): \(error)")
                refused += 1
            }
        }
        #expect(refused > 100 && ran > 20, "\(refused) refused, \(ran) ran")
        try use(PromptSettings(json: original), tokenizer)
    }

    /// Makes a prompt of a picture and, where the model takes them, a video.
    private func use(_ settings: PromptSettings, _ tokenizer: Tokenizer) throws {
        let size = ImageSize(width: 64, height: 48)
        let pixels = [UInt8](repeating: 77, count: 3 * size.width * size.height)
        let picture = try #require(Picture(size: size, pixels: pixels))
        var content: [Message.Part] = [.text("What?")]
        var visuals: [PreparedPrompt.Visual] = []
        let plan = try settings.images.plan(size)
        if plan.patches * settings.images.rowLength < 1 << 18 { _ = try settings.images.patches(picture) }
        // More placeholders would only take time.
        if plan.tokens < 1 << 14 {
            content.append(.image(tokens: try settings.shape(.image, plan.grid).tokens))
            visuals.append(.init(.image, Patches(values: [], grid: plan.grid)))
        }
        if let videos = settings.videos {
            let selection = try videos.sampling.frames(of: 90, rate: 30)
            let plan = try videos.plan(size, frames: selection.indices.count)
            let together = videos.frames.temporalPatchSize
            if plan.tokens < 1 << 14 {
                let times = selection.timestamps(every: together)
                content.append(
                    .video(tokens: try settings.shape(.video, plan.grid).tokens, timestamps: times))
                visuals.append(
                    .init(
                        .video, Patches(values: [], grid: plan.grid),
                        secondsPerFrame: selection.secondsPerPatch(of: together), timestamps: times))
            }
        }
        let pieces = try settings.write(
            Conversation([Message(role: "user", parts: content)]), tokenizer
        ).pieces
        let prompt = try PreparedPrompt(
            tokens: tokenizer.encode(pieces), visuals: visuals, settings: settings)
        #expect(prompt.positions.values.count == prompt.tokens.count * settings.positions.axes)
    }
}
