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
    /// The tokens by which the reference's `cap_pixels_per_frame` limits pixels further: those of the whole video where the
    /// limits are of each frame, and the other way round. Nil without that cap.
    public var cap: Int?
    /// What the caller allows at most; no part of a checkpoint or a bundle.
    public var bound: PixelBound?

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
        guard count <= 1 << 32 else { throw Failure(.limit, "\(count) frames are too many") }
        let frames = try limited(max(1, count))
        guard limits == .wholeVideo else { return try frames.smartResize(size) }
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

    /// The settings with the pixels that `count` frames may have. The reference's cap, then the caller's bound.
    private func limited(_ count: Int) throws(Failure) -> ImagePreprocessor {
        try frames.check()
        guard frames.fixedSide == nil else { return frames }
        var frames = frames
        var most = frames.maximumPixels
        let token = frames.factor * frames.factor
        let floor = Int(Double(frames.minimumPixels) * 1.05)
        switch limits {
        case .eachFrame:
            if let cap {
                let total = Int(Double(cap * token) * 0.9)
                most = max(min(most, total * frames.temporalPatchSize / count), floor)
            }
            if let bound { most = min(most, bound.perFrame(count, together: frames.temporalPatchSize)) }
        case .wholeVideo:
            if let cap { most = max(min(cap * token, most / count), floor) * count }
            if let bound {
                most = min(most, bound.perFrame(count, together: frames.temporalPatchSize) * count)
            }
        }
        frames.maximumPixels = min(max(most, token), ImagePreprocessor.mostPixels)
        frames.minimumPixels = min(frames.minimumPixels, frames.maximumPixels)
        return frames
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
        let settings = JSON.pairs([
            "frames": frames.json, "limits": .string(limits.rawValue), "sampling": sampling.json,
        ])
        return cap.map { settings.setting("cap_tokens", to: .int($0)) } ?? settings
    }

    /// Reads settings back.
    ///
    /// - Throws: `badInput` naming the setting that is missing, unknown or out of range.
    public init(json: JSON) throws(Failure) {
        let place = "prompt.video_processing"
        try json.requireOnly(["frames", "limits", "sampling", "cap_tokens"], at: place)
        frames = try json.read("frames", of: place) { (json) throws(Failure) in
            try ImagePreprocessor(json: json)
        }
        guard let limits = json["limits"]?.string.flatMap(Limits.init(rawValue:)) else {
            throw .badInput("has no known \"limits\"", at: place)
        }
        self.limits = limits
        sampling = try json.read("sampling", of: place) { (json) throws(Failure) in
            try FrameSampling(json: json)
        }
        if let cap = json["cap_tokens"] { self.cap = try VideoPreprocessor.tokens(cap, "cap_tokens") }
    }

    /// Takes what a checkpoint's files say of videos, if they say something.
    /// - Throws: `badInput` naming the file and the setting that is out of range.
    public mutating func read(_ files: ProcessorFiles) throws(Failure) {
        guard let settings = files.videos else { return }
        try frames.read(settings)
        do {
            try sampling.read(settings)
            try readVideoKeys(settings)
        } catch { throw error.located(in: settings.file) }
    }

    /// What only the processors of videos know.
    private mutating func readVideoKeys(_ json: SettingsReader) throws(Failure) {
        // Without the cap the number is saved all the same, and says nothing.
        let tokens = try json["max_video_tokens"].map { (value) throws(Failure) in
            try VideoPreprocessor.tokens(value, "max_video_tokens")
        }
        // The classes' own numbers: the trained context, or a frame's tokens.
        let standard = limits == .eachFrame ? 128_000 : 768
        if try json.bool("cap_pixels_per_frame") == true { cap = tokens ?? standard }
        // The classes of Qwen2-VL and Qwen2.5-VL are always saved with it off, and are told to sample by the caller.
        if try json.bool("do_sample_frames") == false, limits == .wholeVideo {
            throw .badInput("do_sample_frames is off, which is not supported", remedy: "remove it")
        }
    }

    private static func tokens(_ json: JSON, _ key: String) throws(Failure) -> Int {
        guard let tokens = json.int, (1...1 << 24).contains(tokens) else {
            throw .badInput("\"\(key)\" is no number of tokens")
        }
        return tokens
    }
}
