public import Storage

/// Makes of a video's frames what a vision tower takes.
public struct VideoPreprocessor: Equatable, Sendable {
    /// What the pixel limits are limits of.
    public enum Limits: String, Equatable, Sendable {
        /// Each frame, which is resized as a picture is.
        case eachFrame = "each_frame"
        /// All frames together.
        case wholeVideo = "whole_video"
    }

    /// How a frame becomes patches; its limits are those of ``limits``.
    public var frames: ImagePreprocessor
    /// What the pixel limits are limits of.
    public var limits: Limits
    /// Which frames are taken.
    public var sampling: FrameSampling

    /// Settings from their parts.
    public init(frames: ImagePreprocessor, limits: Limits, sampling: FrameSampling) {
        self.frames = frames
        self.limits = limits
        self.sampling = sampling
    }

    /// Qwen2-VL's and Qwen2.5-VL's: every frame is a picture.
    public static func qwen2VL(images: ImagePreprocessor = ImagePreprocessor()) -> VideoPreprocessor {
        VideoPreprocessor(frames: images, limits: .eachFrame, sampling: FrameSampling())
    }

    /// Qwen3-VL's: limits for all frames together.
    public static func qwen3VL(images: ImagePreprocessor) -> VideoPreprocessor {
        var frames = images
        (frames.minimumPixels, frames.maximumPixels) = (4096, 25_165_824)
        return VideoPreprocessor(frames: frames, limits: .wholeVideo, sampling: .qwen3VL)
    }

    /// The size that `count` frames of `size` are resized to. The reference's `smart_resize`, of pictures or of videos.
    ///
    /// - Throws: `badInput` when a side is not positive or one is more than 200 times the other.
    public func smartResize(_ size: ImageSize, frames count: Int) throws(Failure) -> ImageSize {
        guard limits == .wholeVideo else { return try frames.smartResize(size) }
        try frames.check()
        let factor = frames.factor
        var size = size
        // Less than a patch of tokens is enlarged first; the fraction of a pixel that comes out is dropped.
        let sides = (least: min(size.width, size.height), most: max(size.width, size.height))
        if sides.least > 0, sides.least < factor, sides.most <= 1 << 31 {
            let scale = Double(factor) / Double(sides.least)
            size = ImageSize(
                width: Int(Double(size.width) * scale), height: Int(Double(size.height) * scale))
        }
        let pairs = Double(count) / Double(frames.temporalPatchSize)
        return try frames.smartResize(
            size, frames: Double(count),
            rounded: pairs.rounded(.toNearestOrEven) * Double(frames.temporalPatchSize))
    }

    /// What a video of `count` frames of this size will cost.
    ///
    /// - Throws: `badInput` as ``smartResize(_:frames:)`` does, `limit` when there are too many patches.
    public func plan(_ size: ImageSize, frames count: Int) throws(Failure) -> ImagePlan {
        // A single frame is repeated to fill a temporal patch; the reference refuses it.
        let counted = max(count, frames.temporalPatchSize)
        return try frames.plan(size, resized: try smartResize(size, frames: counted), frames: count)
    }
}

extension VideoPreprocessor {
    /// The settings as they are stored in a bundle.
    public var json: JSON {
        .pairs([
            "frames": frames.json, "limits": .string(limits.rawValue), "sampling": sampling.json,
        ])
    }

    /// Reads settings back.
    ///
    /// - Throws: `badInput` naming the setting that is missing or out of range.
    public init(json: JSON) throws(Failure) {
        frames = try ImagePreprocessor(json: json["frames"] ?? .null)
        guard let limits = json["limits"]?.string.flatMap(Limits.init(rawValue:)) else {
            throw .badInput("has no known \"limits\"", at: "prompt.video_processing")
        }
        self.limits = limits
        sampling = try FrameSampling(json: json["sampling"] ?? .null)
    }

    /// Takes what a checkpoint's `processor_config.json` (the video processor in it) or `video_preprocessor_config.json`
    /// states, where it has one of them.
    ///
    /// - Throws: `badInput` naming the file and the setting that is out of range.
    public mutating func read(checkpoint directory: String) throws(Failure) {
        for (name, key) in [
            ("processor_config.json", "video_processor"), ("video_preprocessor_config.json", nil),
        ] {
            let file = Path.join(directory, name)
            guard Path.exists(file) else { continue }
            let json = try JSON(file: file)
            guard let settings = key.map({ json[$0] }) ?? json else { continue }
            do {
                try frames.read(settings)
                try sampling.read(settings)
            } catch { throw error.located(in: file) }
            return
        }
    }
}
