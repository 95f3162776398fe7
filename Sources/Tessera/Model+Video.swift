import Bundles
public import Prompts
public import Storage

extension Model {
    /// Which frames of a video are looked at, and how closely.
    public struct VideoOptions: Sendable {
        /// Frames to take of a second; of a folder, in which everything was taken already, the frames of a second.
        /// Nil for the model's own.
        public var fps: Double?
        /// The most frames to take; nil for the model's own limit.
        public var maximumFrames: Int?
        /// The most pixels of a resized frame; nil for `qwen-vl-utils`' bound where the checkpoint limits each frame alone
        /// (Qwen2-VL, Qwen2.5-VL), and none elsewhere. ``PixelBound/unlimited`` leaves the checkpoint's own limits.
        public var maximumPixels: Int?
        /// The same for all frames together, those of a temporal patch counted as one.
        public var maximumVideoPixels: Int?

        /// Options from their parts.
        public init(
            fps: Double? = nil, maximumFrames: Int? = nil, maximumPixels: Int? = nil,
            maximumVideoPixels: Int? = nil
        ) {
            self.fps = fps
            self.maximumFrames = maximumFrames
            self.maximumPixels = maximumPixels
            self.maximumVideoPixels = maximumVideoPixels
        }

        /// What `settings` are bounded by; nil for their own limits alone.
        fileprivate func bound(of settings: VideoPreprocessor) -> PixelBound? {
            let isBounded = settings.limits == .eachFrame && settings.cap == nil
            guard isBounded || maximumPixels != nil || maximumVideoPixels != nil else { return nil }
            var bound = PixelBound(factor: settings.frames.factor)
            if !isBounded || maximumPixels == PixelBound.unlimited { bound.video = PixelBound.unlimited }
            if !isBounded { bound.frame = PixelBound.unlimited }
            bound.frame = maximumPixels ?? bound.frame
            bound.video = maximumVideoPixels ?? bound.video
            return bound
        }
    }

    /// What a video will take, known before its frames are looked at.
    public struct VideoPlan: Sendable {
        /// Its frames as the model will see them.
        public let frames: ImagePlan
        /// The tokens that they would take by the checkpoint's own limits alone, without the bound on pixels; nil where that
        /// is more than can be counted.
        public let unboundedTokens: Int?
        /// Which of its frames those are.
        public let selection: FrameSelection
        /// Frames that a temporal patch holds.
        fileprivate let together: Int

        /// The video as a prompt takes it, of patches that may be without values.
        public func visual(_ values: [Float] = []) -> PreparedPrompt.Visual {
            PreparedPrompt.Visual(
                .video, Patches(values: values, grid: frames.grid),
                secondsPerFrame: selection.secondsPerPatch(of: together),
                timestamps: selection.timestamps(every: together))
        }
    }

    /// Reads a video and cuts it into patches: a file that `ffmpeg` reads, or a folder of pictures in the order of their
    /// names. Frames are resized one by one, so that memory is that of the patches and one frame.
    /// - Parameter planned: is told what the video will take, once its first frame was seen.
    /// - Throws: `badInput` when the model takes no videos, `ffmpeg` is not installed or the file cannot be read; `limit`
    ///   when the frames take more tokens than the model can.
    public func video(
        _ path: String, _ options: VideoOptions = VideoOptions(), planned: (VideoPlan) -> Void = { _ in }
    ) throws(Failure) -> PreparedPrompt.Visual {
        let settings = try videoSettings(options)
        do throws(Failure) {
            let source = try VideoSource(path)
            let selection = try source.selection(settings.sampling)
            var begun: (plan: VideoPlan, cutter: PatchCutter)?
            try source.forEachFrame(selection.indices, decoder, settings.frames.reading) {
                (frame) throws(Failure) in
                if begun == nil {
                    let plan = try plan(frame.size, selection, settings)
                    planned(plan)
                    begun = (plan, try PatchCutter(settings.frames, plan.frames))
                }
                try begun?.cutter.append(frame)
            }
            guard let (plan, cutter) = begun else { throw Failure.badInput("has no frames") }
            return plan.visual(cutter.finish().values)
        } catch { throw error.located(in: path) }
    }

    /// What ``video(_:_:)`` will make of a video, from its frames' number and the size of the first.
    /// - Throws: as ``video(_:_:)``.
    public func plan(
        video path: String, _ options: VideoOptions = VideoOptions()
    ) throws(Failure) -> VideoPlan {
        let settings = try videoSettings(options)
        do throws(Failure) {
            let source = try VideoSource(path)
            let selection = try source.selection(settings.sampling)
            let size = try source.size(
                ofFrame: selection.indices.first ?? 0, decoder, settings.frames.reading)
            return try plan(size, selection, settings)
        } catch { throw error.located(in: path) }
    }

    /// What ``video(_:_:)`` will make of a folder of so many frames of a size.
    /// - Throws: as ``video(_:_:)``.
    public func plan(
        frames count: Int, of size: ImageSize, _ options: VideoOptions = VideoOptions()
    ) throws(Failure) -> VideoPlan {
        let settings = try videoSettings(options)
        let selection = try settings.sampling.frames(ofSampled: count, rate: settings.sampling.fps)
        return try plan(size, selection, settings)
    }

    private func videoSettings(_ options: VideoOptions) throws(Failure) -> VideoPreprocessor {
        guard var settings = prompt.videos else { throw .badInput("takes no videos", file: bundle.path) }
        if let fps = options.fps { (settings.sampling.fps, settings.sampling.fixedCount) = (fps, nil) }
        if let most = options.maximumFrames {
            settings.sampling.maximumFrames = most
            settings.sampling.minimumFrames = min(settings.sampling.minimumFrames, most)
            settings.sampling.fixedCount = settings.sampling.fixedCount.map { min($0, most) }
        }
        settings.bound = options.bound(of: settings)
        do { try settings.sampling.check() } catch { throw Failure(.usage, error.message) }
        return settings
    }

    private func plan(
        _ size: ImageSize, _ selection: FrameSelection, _ settings: VideoPreprocessor
    ) throws(Failure) -> VideoPlan {
        let count = selection.indices.count
        let frames = try settings.plan(size, frames: count)
        guard frames.tokens <= contextLimit else {
            throw Failure(
                .limit,
                "its \(count) frames take \(frames.tokens) tokens; the model takes \(contextLimit) in all",
                remedy: "take fewer frames, with --fps or --max-frames, or smaller ones, with --max-pixels")
        }
        var own = settings
        own.bound = nil
        return VideoPlan(
            frames: frames, unboundedTokens: try? own.plan(size, frames: count).tokens, selection: selection,
            together: settings.frames.temporalPatchSize)
    }
}
