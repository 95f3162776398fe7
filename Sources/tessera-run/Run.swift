public import ArgumentParser
import Bundles
import CommandSupport
import Prompts
public import Runtime
import Storage
import Tessera
import Threads

@main struct Run: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-run",
        abstract: "Ask a model about pictures and text.",
        discussion: """
            With --prompt the answer goes to stdout. Without it, on a terminal, a chat begins whose cache is kept between \
            turns; /image FILE and /video PATH add a picture or a video to the next message, /quit ends it. Pictures come \
            before videos in a message, and both before its text.
            """)

    @Argument(help: "The bundle.")
    var model: String

    @Option(name: [.short, .long], help: "What to ask; \"-\" reads it from stdin.")
    var prompt: String?

    @Option(help: "A picture (JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP, TIFF); repeat for more.")
    var image: [String] = []

    @Option(help: "A video: a file that ffmpeg reads, or a folder of frames; repeat for more.")
    var video: [String] = []

    @OptionGroup var frames: VideoParameters

    @OptionGroup var template: TemplateOptions

    @Option(
        name: [.customShort("n"), .long], help: "Tokens of an answer, at most.",
        transform: whole(0...Allowed.tokens.upperBound))
    var maxTokens: Int = 512

    @Option(
        name: [.customShort("c"), .long],
        help:
            "Tokens of the whole conversation, at most. (default: 4096, or fewer where the model was made for fewer)",
        transform: whole(Allowed.context))
    var ctxSize: Int?

    @Option(name: [.short, .long], help: "Threads to use.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @OptionGroup var sampling: SamplingOptions

    @Option(
        help: """
            Evaluate drafted tokens together, which makes answers faster that repeat what was read, and changes none: lookup \
            drafts what followed the same tokens before; none.
            """)
    var draft: Session.Draft = .none

    @OptionGroup var keeping: KeepingOptions

    @Option(help: "Keys and values in f16, f32 or i8.")
    var cacheType: KeyValueCache.Precision?

    @Option(
        help: """
            Stay within so much memory, such as 512M: by keys and values in fewer bits unless --cache-type says how, by fewer \
            tokens at once, and by reading weights anew each time they are used. What cannot be is refused. (default: what is \
            available)
            """)
    var memoryLimit: ByteCount?

    @Flag(help: "After the answer, list the places that it names in the last picture: label and pixels.")
    var boxes = false

    @Flag(help: "Report the answer and its figures as JSON.")
    var json = false

    @Flag(name: [.short, .long], help: "Print figures to stderr.")
    var verbose = false

    mutating func validate() throws {
        guard !boxes || (!image.isEmpty && prompt != nil) else {
            throw ValidationError("--boxes needs --image and --prompt")
        }
        guard maxTokens > 0 || keeping.session != nil else {
            throw ValidationError(
                "a whole number from 1 to \(Allowed.tokens.upperBound) is wanted for -n, or 0 with --session")
        }
    }

    mutating func execute() throws(Failure) {
        let model = try Model(
            model, .init(threads: threads, cachePrecision: cacheType ?? .float16))
        if let warning = model.prompt.template.warning { Console.warn(warning) }
        guard let prompt else {
            guard Console.isInteractive else {
                throw Failure(
                    .usage, "there is nothing to ask",
                    remedy: "give --prompt, or --prompt - to read it from stdin")
            }
            let media = try readMedia(model)
            let videos = VideoReader(options: videoOptions, verbose: verbose)
            let chat = Chat(try conversation(model, media), videos: videos, verbose: verbose)
            return try chat.run(first: media)
        }
        let text = prompt == "-" ? try Console.readAll() : prompt
        let media = try readMedia(model)
        let conversation = try conversation(model, media)
        let quiet = json
        let (answer, figures) = try conversation.ask(media + [.text(text)]) { piece in
            quiet || Console.write(piece)
        }
        let objects = boxes ? try Places(model, picture: image.last ?? "").objects(in: answer) : []
        if json {
            let report = figures.json(answer)
            Console.print(
                (boxes ? report.setting("boxes", to: .array(objects.map(\.json))) : report).serialized(
                    pretty: true))
        } else {
            Console.write("\n")
            for object in objects { Console.print("\(object.label ?? "-")\t\(object.coordinates)") }
            if verbose { Console.log(figures.text) }
        }
        conversation.warn(of: answer)
        try conversation.save()
    }

    private var videoOptions: Model.VideoOptions {
        .init(
            fps: frames.fps, maximumFrames: frames.maxFrames, maximumPixels: frames.maxPixels,
            maximumVideoPixels: frames.maxVideoPixels)
    }

    /// The pictures and videos asked for, read.
    private func readMedia(_ model: Model) throws(Failure) -> [Session.Part] {
        var parts: [Session.Part] = []
        for path in image { parts.append(.image(try model.picture(path))) }
        let reader = VideoReader(options: videoOptions, verbose: verbose)
        for path in video { parts.append(.video(try reader.read(path, model))) }
        return parts
    }

    /// A conversation, once it was said what it will take; what is beyond the limits is refused.
    private func conversation(_ model: Model, _ media: [Session.Part]) throws(Failure) -> Conversation {
        let capacity = ctxSize ?? model.defaultCapacity
        if capacity > model.contextLimit {
            Console.warn(
                "--ctx-size \(capacity) is beyond the \(model.contextLimit) tokens that the model was made for: what comes after them may be noise"
            )
        }
        let visuals = media.compactMap { part -> PreparedPrompt.Visual? in
            switch part {
            case .text: nil
            case .image(let patches): .init(.image, patches)
            case .video(let video): video
            }
        }
        let model = try self.model(model, for: visuals, capacity: capacity)
        let estimate = try model.estimateMemory(for: visuals, capacity: capacity, draft: draft)
        // One question needs no picture twice; a chat may, within what memory it may take.
        let spare = memoryLimit.map { max(0, $0.bytes - estimate.anonymous - estimate.mapped) } ?? .max
        model.features = try keeping.features(inMemory: prompt == nil ? min(64 << 20, spare) : 0)
        let options = Session.Options(
            sampling: sampling.settings(over: model.sampling), maximumTokens: maxTokens, draft: draft)
        let store = try keeping.store(inputs: [self.model] + image + video + template.inputs)
        return Conversation(
            try session(model, store, capacity: capacity), options, system: template.system, store: store)
    }

    /// What was said before goes on as it began, unless other options are given.
    private func session(
        _ model: Model, _ store: SessionStore?, capacity: Int
    ) throws(Failure) -> Session {
        let session =
            if let store { try store.open(model, capacity: capacity) } else {
                try Session(model, capacity: capacity)
            }
        try template.apply(to: session)
        return session
    }

    /// The model, so that it runs within the memory that there is.
    private func model(
        _ model: Model, for visuals: [PreparedPrompt.Visual], capacity: Int
    ) throws(Failure) -> Model {
        let estimate = try model.estimateMemory(for: visuals, capacity: capacity, draft: draft)
        let needed = estimate.anonymous + estimate.mapped
        var other: Engine.Options?
        if let limit = memoryLimit?.bytes ?? Machine.availableMemory, needed > limit {
            // Answers must not depend on what memory happens to be free: fewer bits are for a limit that was asked for.
            let precisions = cacheType.map { [$0] } ?? (memoryLimit == nil ? [.float16] : [.float16, .int8])
            do {
                other = try model.options(
                    within: limit, for: visuals, capacity: capacity, draft: draft, precisions)
            } catch {
                // What nobody limited may still do: the system lets pages of weights go as it needs memory.
                guard memoryLimit == nil else { throw error }
            }
        }
        let options = other ?? model.engine.options
        if verbose {
            let final = try model.estimateMemory(for: visuals, capacity: capacity, draft: draft, options)
            Console.log(
                "memory: \(ByteCount.text(final.mapped)) mapped, \(ByteCount.text(final.cache)) cache of "
                    + "\(options.cachePrecision.rawValue), \(ByteCount.text(final.arena)) activations of \(options.chunk) tokens, "
                    + "\(ByteCount.text(final.rows)) rows")
            if let resident = options.residentWeights {
                Console.log(
                    "memory: \(ByteCount.text(resident)) of weights stay, the others are read again and again"
                )
            }
        }
        return if let other { try model.twin(other) } else { model }
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
extension Session.Draft: ExpressibleByArgument {}
