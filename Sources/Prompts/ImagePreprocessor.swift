/// Makes of pictures what a vision tower takes: resizes them to whole patches, normalizes, and cuts them into rows.
public struct ImagePreprocessor: Equatable, Sendable {
    /// Which implementation's resampling and arithmetic to follow, bit for bit.
    public enum Resampling: String, Equatable, Sendable {
        /// The "fast" processors, which are the default of current checkpoints.
        case torchvision
        /// The "slow" processors.
        case pillow
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

    /// Qwen2-VL's, as published.
    public init() {}

    /// What both sides of a resized picture are a multiple of.
    public var factor: Int { patchSize * mergeSize }
}
