import Bundles
public import Prompts
public import Storage

extension Model {
    /// Which frames of a video are looked at.
    public struct VideoOptions: Sendable {
        /// Frames to take of a second; of a folder, in which everything was taken already, the frames of a second.
        /// Nil for the model's own.
        public var fps: Double?
        /// The most frames to take; nil for the model's own limit.
        public var maximumFrames: Int?

        /// Options from their parts.
        public init(fps: Double? = nil, maximumFrames: Int? = nil) {
            self.fps = fps
            self.maximumFrames = maximumFrames
        }
    }

    /// What a video will take, known before its frames are looked at.
    public struct VideoPlan: Sendable {
        /// Its frames as the model will see them.
        public let frames: ImagePlan
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
    /// - Throws: `badInput` when the model takes no videos, `ffmpeg` is not installed or the file cannot be read; `limit`
    ///   when the frames take more tokens than the model can.
    public func video(
        _ path: String, _ options: VideoOptions = VideoOptions()
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
        if let fps = options.fps { settings.sampling.fps = fps }
        if let most = options.maximumFrames {
            settings.sampling.maximumFrames = most
            settings.sampling.minimumFrames = min(settings.sampling.minimumFrames, most)
        }
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
                remedy: "take fewer frames, with --fps or --max-frames")
        }
        return VideoPlan(
            frames: frames, selection: selection, together: settings.frames.temporalPatchSize)
    }
}
