/// Makes of pictures what a vision tower takes: resizes them to whole patches, normalizes, and cuts them into rows.
public struct ImagePreprocessor: Equatable, Sendable {
    /// Which implementation's resampling and arithmetic to follow, bit for bit.
    public enum Resampling: String, Equatable, Sendable {
        /// The "fast" processors, which are the default of current checkpoints.
        case torchvision
        /// The "slow" processors, with Pillow 13.
        case pillow
        /// Pillow before 13, which always resized rows first: what the first generation was trained with.
        case pillowRowsFirst = "pillow-rows-first"
    }

    /// What is done to a decoded picture first.
    public enum Reading: String, Equatable, Sendable {
        /// It is turned upright and laid over white.
        case composed
        /// Nothing: it stays as it is stored, and transparency is dropped.
        case stored
    }

    /// Pixels along a patch's side.
    public var patchSize = 14
    /// Frames in a patch.
    public var temporalPatchSize = 2
    /// Patches along the side of the square that becomes one token.
    public var mergeSize = 2
    /// The fewest pixels of a resized picture.
    public var minimumPixels = 3136
    /// The most pixels of a resized picture.
    public var maximumPixels = 12_845_056
    /// What is subtracted from red, green and blue, as fractions of 255.
    public var mean = [0.48145466, 0.4578275, 0.40821073]
    /// What they are then divided by, as fractions of 255.
    public var standardDeviation = [0.26862954, 0.26130258, 0.27577711]
    /// Whose arithmetic to follow.
    public var resampling = Resampling.torchvision
    /// The side of the square that every picture is squashed to; nil keeps its shape within the limits.
    public var fixedSide: Int?
    /// The tokens of every picture, where its patches do not say how many.
    public var fixedTokens: Int?
    /// How pictures are taken from their files.
    public var reading = Reading.composed

    /// The most pixels that ``maximumPixels`` may be.
    static let mostPixels = 1 << 30

    /// Qwen2-VL's, as published.
    public init() {}

    /// Qwen3-VL's, as published.
    public static var qwen3VL: ImagePreprocessor {
        var settings = ImagePreprocessor()
        settings.patchSize = 16
        (settings.minimumPixels, settings.maximumPixels) = (65536, 16_777_216)
        settings.mean = [0.5, 0.5, 0.5]
        settings.standardDeviation = [0.5, 0.5, 0.5]
        return settings
    }

    /// Qwen-VL's: every picture becomes a square of `side` pixels and `tokens` tokens.
    public static func qwenVL(side: Int, patchSize: Int, tokens: Int) -> ImagePreprocessor {
        var settings = ImagePreprocessor()
        settings.patchSize = patchSize
        settings.temporalPatchSize = 1
        settings.mergeSize = 1
        settings.resampling = .pillowRowsFirst
        settings.fixedSide = side
        settings.fixedTokens = tokens
        settings.reading = .stored
        return settings
    }

    /// The tokens of a picture or video of these patches; nil when they make no whole number.
    public func tokens(of grid: PatchGrid) -> Int? { fixedTokens ?? grid.tokens(mergeSize: mergeSize) }

    /// What both sides of a resized picture are a multiple of.
    public var factor: Int { patchSize * mergeSize }
}
