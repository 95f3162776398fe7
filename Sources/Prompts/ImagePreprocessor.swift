public import Storage

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
    /// The fewest and the most pixels of a resized picture.
    public var minimumPixels = 3136
    public var maximumPixels = 12_845_056
    /// Of red, green and blue, as fractions of 255.
    public var mean = [0.48145466, 0.4578275, 0.40821073]
    public var standardDeviation = [0.26862954, 0.26130258, 0.27577711]
    public var resampling = Resampling.torchvision

    /// Qwen2-VL's, as published.
    public init() {}

    /// What both sides of a resized picture are a multiple of.
    public var factor: Int { patchSize * mergeSize }
}

/// What a vision tower takes.
public struct Patches: Equatable, Sendable {
    /// Row by row: grid.t·grid.h·grid.w rows of 3·temporal·patch·patch values.
    ///
    /// Rows run over time, then over squares of merged patches, then over the patches in a square; the values in a row
    /// over channel, frame, pixel row, pixel column.
    public var values: [Float]
    public var grid: PatchGrid
}

extension ImagePreprocessor {
    /// The patches of a picture.
    ///
    /// - Throws: `badInput` when the picture is too thin (``smartResize(_:)``).
    public func patches(_ picture: Picture) throws(Failure) -> Patches { try patches(frames: [picture]) }

    /// The patches of a video's frames, which must all have one size. The last frame is repeated to fill a temporal patch,
    /// as a picture's only one is.
    ///
    /// - Throws: `badInput` when there is no frame, frames differ in size, or are too thin.
    public func patches(frames: [Picture]) throws(Failure) -> Patches {
        throw .badInput("not yet")
    }
}
