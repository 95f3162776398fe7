import Bundles
import Prompts
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

    /// Reads a video and cuts it into patches: a file that `ffmpeg` reads, or a folder of pictures in the order of their
    /// names. Frames are resized one by one, so that memory is that of the patches and one frame.
    /// - Throws: `badInput` when the model takes no videos, `ffmpeg` is not installed or the file cannot be read; `limit`
    ///   when the frames take more tokens than the model can.
    public func video(
        _ path: String, _ options: VideoOptions = VideoOptions()
    ) throws(Failure) -> PreparedPrompt.Visual {
        guard var settings = prompt.videos else { throw .badInput("takes no videos", file: bundle.path) }
        if let fps = options.fps { settings.sampling.fps = fps }
        if let most = options.maximumFrames {
            settings.sampling.maximumFrames = most
            settings.sampling.minimumFrames = min(settings.sampling.minimumFrames, most)
        }
        do { try settings.sampling.check() } catch { throw Failure(.usage, error.message) }
        do {
            var cutter = VideoCutter(settings, tokenLimit: contextLimit)
            let selection: FrameSelection
            if Path.isDirectory(path) {
                let files = try FrameFolder(path).files
                selection = try settings.sampling.frames(
                    ofSampled: files.count, rate: settings.sampling.fps)
                for index in selection.indices {
                    try cutter.append(
                        try decoder.decode(file: files[index], settings.frames.reading),
                        of: selection.indices.count)
                }
            } else {
                let file = try VideoFile(path)
                selection = try settings.sampling.frames(of: file.frameCount, rate: file.rate)
                try file.forEachFrame(selection.indices, maximumPixels: decoder.maximumPixels) {
                    (frame) throws(Failure) in try cutter.append(frame, of: selection.indices.count)
                }
            }
            let temporal = settings.frames.temporalPatchSize
            return PreparedPrompt.Visual(
                .video, try cutter.finish(), secondsPerFrame: selection.secondsPerPatch(of: temporal),
                timestamps: selection.timestamps(every: temporal))
        } catch { throw error.located(in: path) }
    }
}

/// Cuts frames that come one by one; the first says how large they are.
private struct VideoCutter {
    private let settings: VideoPreprocessor
    private let tokenLimit: Int
    private var cutter: PatchCutter?

    init(_ settings: VideoPreprocessor, tokenLimit: Int) {
        self.settings = settings
        self.tokenLimit = tokenLimit
    }

    mutating func append(_ frame: Picture, of count: Int) throws(Failure) {
        if cutter == nil {
            let plan = try settings.plan(frame.size, frames: count)
            guard plan.tokens <= tokenLimit else {
                throw Failure(
                    .limit,
                    "its \(count) frames take \(plan.tokens) tokens; the model takes \(tokenLimit) in all",
                    remedy: "take fewer frames, with --fps or --max-frames")
            }
            cutter = try PatchCutter(settings.frames, plan)
        }
        try cutter?.append(frame)
    }

    consuming func finish() throws(Failure) -> Patches {
        guard let cutter else { throw .badInput("has no frames") }
        return cutter.finish()
    }
}
