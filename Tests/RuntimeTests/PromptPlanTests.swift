import Generations
import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// What a plan says of a prompt is what is evaluated, for every generation's way of making prompts.
@Suite(.serialized) struct PromptPlanTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The demo with another generation's rules, as far as its tower can take them; Qwen-VL by itself.
    private func model(_ rules: String) throws -> Model {
        let path = directory.file("\(rules).tessera")
        guard rules != "qwen-vl" else {
            return try Model(Bundled.path(rules), .init(threads: 2))
        }
        let name = rules == "qwen3-vl" ? "qwen3-vl-instruct" : rules
        let template = try? ChatTemplate(named: name, .given(name: name))
        _ = try makeBundle(Fixtures.path("demo-qwen2-vl"), nil, at: path) { metadata in
            guard let settings = try? PromptSettings(json: metadata["prompt"] ?? .null) else {
                return metadata
            }
            var prompt = settings
            switch rules {
            case "qwen2.5-vl": prompt.positions = PositionRule(.seconds(perSecond: 4), mergeSize: 2)
            case "qwen3-vl", "qwen3-vl-thinking":
                prompt.positions = PositionRule(.separateFrames, mergeSize: 2)
                prompt.template = template ?? prompt.template
                prompt.videoFrame = .qwen3VL
                prompt.videos = .qwen3VL(images: prompt.images)
            default: break
            }
            return metadata.setting("prompt", to: prompt.json)
        }
        return try Model(path, .init(threads: 2))
    }

    /// Seven frames of 48×200 pixels.
    private func frames() throws -> String {
        let folder = directory.file("frames")
        guard !Path.isDirectory(folder) else { return folder }
        try makeDirectory(folder)
        for index in 0..<7 {
            try putFile(
                Path.join(folder, "f\(index).png"),
                try readFile(Fixtures.path("preprocessing/v_48x200_5_0\(index % 5).png")))
        }
        return folder
    }

    @Test(arguments: ["qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3-vl-thinking"])
    func thePlanIsWhatRuns(rules: String) throws {
        let model = try model(rules)
        let file = Fixtures.path("demo-pictures/scene_3.png")
        let plan = try model.prompt.images.plan(model.decoder.size(file: file, model.prompt.images.reading))
        let picture = try model.picture(file)
        var planned: [Session.Part] = [.image(Patches(values: [], grid: plan.grid))]
        var said: [Session.Part] = [.image(picture)]
        var visuals: [PreparedPrompt.Visual] = [.init(.image, picture)]
        #expect(plan.grid == picture.grid && plan.patches * model.engine.patchWidth == picture.values.count)
        if model.prompt.videos != nil {
            for options in [Model.VideoOptions(), .init(fps: 4), .init(maximumFrames: 4)] {
                let video = try model.video(frames(), options)
                let plans = [
                    try model.plan(video: frames(), options),
                    try model.plan(frames: 7, of: ImageSize(width: 48, height: 200), options),
                ].map { $0.visual() }
                for plan in plans {
                    #expect(plan.patches.grid == video.patches.grid)
                    #expect(plan.timestamps == video.timestamps)
                    #expect(plan.secondsPerFrame == video.secondsPerFrame)
                }
                planned.append(.video(plans[0]))
                said.append(.video(video))
                visuals.append(video)
            }
        } else {
            #expect(throws: Failure.self) { try model.plan(video: frames()) }
        }
        planned.append(.text("How many shapes are there?"))
        said.append(.text("How many shapes are there?"))
        let prompt = try Session(model, capacity: 1).prepare(planned, system: "Be brief.")
        let session = try Session(model, capacity: prompt.tokens.count)
        let answer = try session.answer(
            said, system: "Be brief.", options: .init(sampling: .init(), maximumTokens: 9))
        #expect(answer.promptTokens == prompt.tokens.count)
        #expect(session.context.cache.count == prompt.tokens.count && answer.end == .contextFull)
        #expect(
            prompt.positions == (try Session(model, capacity: 1).prepare(said, system: "Be brief.").positions)
        )
        // What pictures and rows take is in the estimate.
        let hollow = visuals.map {
            PreparedPrompt.Visual($0.medium, Patches(values: [], grid: $0.patches.grid))
        }
        let estimate = try model.estimateMemory(for: hollow, capacity: 512)
        let values = visuals.reduce(0) { $0 + $1.patches.values.count }
        let rows = prompt.visualRows.count * model.engine.visualWidth
        #expect(estimate.rows == 4 * (values + 2 * rows + 2 * model.engine.vocabulary))
    }
}
