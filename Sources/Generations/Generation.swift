import Formats
import GraphIR
import Prompts
import Storage

/// What is a generation's own: how its configuration reads, what it computes, and how it is talked to.
protocol Generation: SendableMetatype {
    /// What its command, its name table in `formats/` and its bundles call it: `qwen2-vl`.
    static var name: String { get }
    /// What its models are called: `Qwen2-VL`.
    static var family: String { get }
    /// What its command takes, in words.
    static var checkpoint: String { get }
    /// Each `model_type` of config.json that is one of its models.
    static var modelTypes: [String] { get }
    /// Each that is a part of one alone, and which part.
    static var parts: [String: String] { get }

    /// Positions that the model was made for.
    var contextLimit: Int { get }
    /// What the words of the name table stand for, `experts` among them where there are any.
    var extents: [String: Int] { get }

    /// Reads config.json.
    /// - Throws: `badInput` when something is missing, impossible or not supported.
    init(_ config: SettingsReader) throws(Failure)

    /// The `vision`, `text` and `head` graphs; a tied head is the embedding.
    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph

    /// How the model is talked to, from the files of its folder.
    func makePrompt(_ folder: inout SettingsFolder) throws(Failure) -> PromptSettings
}

/// What a generation's prompts have of their own, beside what a checkpoint's files state.
struct PromptConventions {
    /// How pictures are prepared unless files say otherwise.
    var images = ImagePreprocessor()
    let positions: PositionRule.Kind
    let coordinates: PromptSettings.Coordinates
    /// The name of the chat template for a checkpoint that has none.
    let template: String
    /// How frames of videos are written, where each stands by itself.
    var videoFrame: FrameMarkup?
    /// How videos are handled unless files say otherwise, for those image settings.
    let videos: (ImagePreprocessor) -> VideoPreprocessor
}

extension Generation {
    static var checkpoint: String { "\(family) checkpoint" }
    static var parts: [String: String] { [:] }

    /// Refuses a vision tower whose rows are not the decoder's.
    static func check(_ vision: VisionTower, _ decoder: Decoder, file: String) throws(Failure) {
        guard vision.output == decoder.width else {
            throw .badInput(
                "the vision tower gives \(vision.output) columns, but the decoder takes \(decoder.width)",
                file: file)
        }
    }

    /// The prompt settings of a checkpoint that has a processor's files, as `vision` can take them.
    func publishedPrompt(
        _ folder: inout SettingsFolder, _ vision: VisionTower, _ own: PromptConventions
    ) throws(Failure) -> PromptSettings {
        let source = folder.source
        let template = try ChatTemplate.of(
            try source.template(), given: folder.options.chatTemplate, own: own.template)
        if case .ownForNone(let name) = template.origin {
            folder.warnings.append("the checkpoint has no chat template; using \(name)'s")
        }
        let processors = try source.processors()
        if processors.images == nil {
            folder.warnings.append(
                "\(source.withoutProcessors): pictures are prepared as \(Self.family)'s are published")
        }
        var images = try ImagePreprocessor(processors, published: own.images)
        images.resampling = folder.options.resampling
        var videos = own.videos(images)
        try videos.read(processors)
        for file in processors.files { try folder.ledger.enter(file, Formats.processorSettings) }
        for settings in [images, videos.frames] {
            guard settings.patchSize == vision.patch, settings.temporalPatchSize == vision.temporalPatch,
                settings.mergeSize == vision.merge
            else {
                throw .badInput(
                    "the image processor has patches of \(settings.temporalPatchSize)×\(settings.patchSize)² pixels, merged by "
                        + "\(settings.mergeSize), and the vision tower of \(vision.temporalPatch)×\(vision.patch)², merged by "
                        + "\(vision.merge)",
                    file: processors.images?.file ?? source.origin)
            }
        }
        return PromptSettings(
            template: template, videoFrame: own.videoFrame, images: images, videos: videos,
            positions: PositionRule(own.positions, mergeSize: vision.merge),
            imageToken: try folder.config.token("image_token_id"),
            videoToken: try folder.config.token("video_token_id"), stopTokens: folder.stopTokens,
            coordinates: own.coordinates)
    }
}
