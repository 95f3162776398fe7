import GraphIR
import Prompts
import Storage

/// What is a generation's own: how its configuration reads, what it computes, and how it is talked to.
protocol Generation {
    /// Its name table, of `formats/`.
    static var names: [UInt8] { get }

    /// Positions that the model was made for.
    var contextLimit: Int { get }
    /// What the words of the name table stand for, `experts` among them where there are any.
    var extents: [String: Int] { get }

    /// Reads config.json.
    /// - Throws: `badInput` when something is missing, impossible or not supported.
    init(_ config: ConfigReader) throws(Failure)

    /// The `vision`, `text` and `head` graphs; a tied head is the embedding.
    func makeGraph(tied: Bool) throws(Failure) -> ModelGraph

    /// How the model is talked to, from the checkpoint's files in `directory`.
    /// - Parameters:
    ///   - resampling: how pictures are resized, where the reference has two ways.
    ///   - warnings: gets what the user should know.
    func makePrompt(
        _ directory: String, _ config: ConfigReader, resampling: ImagePreprocessor.Resampling,
        stopTokens: [Int32], warnings: inout [String]
    ) throws(Failure) -> PromptSettings
}

extension Generation {
    /// Refuses a vision tower whose rows are not the decoder's.
    static func check(_ vision: VisionTower, _ decoder: Decoder, file: String) throws(Failure) {
        guard vision.output == decoder.width else {
            throw .badInput(
                "the vision tower gives \(vision.output) columns, but the decoder takes \(decoder.width)",
                file: file)
        }
    }

    /// The prompt settings of a generation whose checkpoints have a processor's files, as `vision` can take them.
    /// - Parameters:
    ///   - fallback: the chat template for a checkpoint without a known one.
    ///   - videos: the generation's own handling of videos, for those image settings.
    func publishedPrompt(
        _ directory: String, _ config: ConfigReader, _ vision: VisionTower, positions: PositionRule.Kind,
        resampling: ImagePreprocessor.Resampling, stopTokens: [Int32],
        fallback: (String?) -> ChatTemplate.Fallback,
        videos makeVideos: (ImagePreprocessor) -> VideoPreprocessor, warnings: inout [String]
    ) throws(Failure) -> PromptSettings {
        let (template, recognition) = try ChatTemplate.recognize(checkpoint: directory, fallback: fallback)
        if let warning = recognition.warning { warnings.append(warning) }
        var images = try ImagePreprocessor(checkpoint: directory)
        images.resampling = resampling
        var videos = makeVideos(images)
        try videos.read(checkpoint: directory)
        for settings in [images, videos.frames] {
            guard settings.patchSize == vision.patch, settings.temporalPatchSize == vision.temporalPatch,
                settings.mergeSize == vision.merge
            else {
                throw .badInput(
                    "the image processor and the vision tower disagree about patches", file: directory)
            }
        }
        return PromptSettings(
            template: template, images: images, videos: videos,
            positions: PositionRule(positions, mergeSize: vision.merge),
            imageToken: try config.token("image_token_id"), videoToken: try config.token("video_token_id"),
            stopTokens: stopTokens, coordinates: .thousandths)
    }
}
