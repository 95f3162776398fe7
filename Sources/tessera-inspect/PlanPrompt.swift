public import ArgumentParser
import Bundles
import CommandSupport
import Prompts
public import Runtime
import Storage
import Tessera
import Threads

/// `tessera-inspect plan`.
struct PlanPrompt: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what a prompt with pictures and videos will take, before anything is run.",
        discussion:
            "The prompt is made as tessera-run makes it, and so is the plan of every picture and video.")

    @Argument(help: "The bundle.")
    var model: String

    @Option(help: "A picture's size (1280x960) or its file; repeat for more.")
    var image: [String] = []

    @Option(
        help:
            "A video's size and sampled frames (1280x720x32), its file, or a folder of frames; repeat for more."
    )
    var video: [String] = []

    @Option(name: [.short, .long], help: "What will be asked.")
    var prompt: String = ""

    @Option(help: "A system message instead of the template's own.")
    var system: String?

    @OptionGroup var frames: VideoParameters

    @Option(
        name: [.short, .customLong("ctx"), .customLong("ctx-size")],
        help: "Tokens of the whole conversation. (default: as tessera-run's)",
        transform: whole(Allowed.context))
    var context: Int?

    @Option(help: "Keys and values in f16, f32 or i8.")
    var cacheType: KeyValueCache.Precision = .float16

    @Option(name: [.short, .long], help: "Threads to plan for.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func execute() throws(Failure) {
        let model = try Model(model, .init(threads: threads, cachePrecision: cacheType))
        var plans: [PlanReport.Entry] = []
        var parts: [Session.Part] = []
        for argument in image {
            let plan = try planPicture(argument, model)
            plans.append(.init(plan: plan))
            parts.append(.image(Patches(values: [], grid: plan.grid)))
        }
        for argument in video {
            let plan = try planVideo(argument, model)
            plans.append(.init(plan: plan.frames, unboundedTokens: plan.unboundedTokens))
            parts.append(.video(plan.visual()))
        }
        // Without a tokenizer there are no prompts, only what pictures take.
        let asked = try model.tokenizer.map { (_) throws(Failure) in
            try Session(model, capacity: 1).prepare(parts + [.text(prompt)], system: system)
        }
        let context = context ?? model.defaultCapacity
        let visuals = parts.compactMap { part -> PreparedPrompt.Visual? in
            switch part {
            case .text: nil
            case .image(let patches): .init(.image, patches)
            case .video(let video): video
            }
        }
        let report = PlanReport(
            model: model, plans: plans, prompt: asked, context: context,
            memory: try model.estimateMemory(for: visuals, capacity: context))
        Console.print(json ? report.json.serialized(pretty: true) : report.text)
        guard report.tokens <= context else {
            throw Failure(
                .limit, "the prompt takes \(report.tokens) tokens, of which the context has \(context)",
                file: self.model, remedy: "plan for --ctx \(report.tokens + 1024), or for smaller pictures")
        }
    }

    private func planPicture(_ argument: String, _ model: Model) throws(Failure) -> ImagePlan {
        let settings = model.prompt.images
        guard !Path.exists(argument) else {
            let size = try model.decoder.size(file: argument, settings.reading)
            do { return try settings.plan(size) } catch { throw error.located(in: argument) }
        }
        return try settings.plan(PlanPrompt.size(argument, frames: false, model.decoder).size)
    }

    private func planVideo(_ argument: String, _ model: Model) throws(Failure) -> Model.VideoPlan {
        let options = Model.VideoOptions(
            fps: frames.fps, maximumFrames: frames.maxFrames, maximumPixels: frames.maxPixels,
            maximumVideoPixels: frames.maxVideoPixels)
        guard !Path.exists(argument) else { return try model.plan(video: argument, options) }
        let (size, frames) = try PlanPrompt.size(argument, frames: true, model.decoder)
        return try model.plan(frames: frames, of: size, options)
    }

    private static func size(
        _ text: String, frames: Bool, _ decoder: ImageDecoder
    ) throws(Failure) -> (size: ImageSize, frames: Int) {
        guard let sides = PixelSize.numbers(text, count: frames ? 3 : 2) else {
            throw Failure(
                .usage,
                "'\(text)' is neither a file nor of the form \(frames ? "1280x720x32" : "1280x960")")
        }
        let size = ImageSize(width: sides[0], height: sides[1])
        do { try decoder.check(size) } catch { throw error.located(in: text) }
        return (size, frames ? sides[2] : 1)
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
