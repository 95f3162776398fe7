public import Storage

/// What a checkpoint's folder says of how pictures and videos are prepared, where it says something.
public struct ProcessorFiles {
    /// The image processor's settings: in `processor_config.json`, or all of `preprocessor_config.json`.
    public let images: SettingsReader?
    /// The video processor's settings: in `processor_config.json`, or all of `video_preprocessor_config.json`.
    public let videos: SettingsReader?
    /// What is stated elsewhere where there is no image processor; what it leaves out is as the generation's is published.
    public let stated: SettingsReader?
    /// The files that were read, each whole.
    public let files: [SettingsReader]

    /// No files, but settings that are stated elsewhere.
    public init(stated: SettingsReader) {
        (images, videos, files, self.stated) = (nil, nil, [], stated)
    }

    /// Reads what there is.
    /// - Throws: `badInput` when a file is no JSON.
    public init(checkpoint directory: String) throws(Failure) {
        func read(_ name: String) throws(Failure) -> SettingsReader? {
            let file = Path.join(directory, name)
            return Path.exists(file) ? try SettingsReader(file: file) : nil
        }
        let both = try read("processor_config.json")
        let images = both?.object("image_processor")
        let videos = both?.object("video_processor")
        let (ownImages, ownVideos) = (
            images == nil ? try read("preprocessor_config.json") : nil,
            videos == nil ? try read("video_preprocessor_config.json") : nil
        )
        self.images = images ?? ownImages
        self.videos = videos ?? ownVideos
        stated = nil
        files = [both, ownImages, ownVideos].compactMap(\.self)
    }
}
