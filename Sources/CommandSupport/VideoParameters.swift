public import ArgumentParser

/// How much of a video is looked at: options that every command that takes videos has.
public struct VideoParameters: ParsableArguments {
    /// Frames to take of a second.
    @Option(
        help: "Frames to take of a second of video, or the frames of a second in a folder.",
        transform: number(Allowed.fps))
    public var fps: Double?

    /// Frames to take.
    @Option(help: "Frames to take of a video, at most.", transform: whole(Allowed.frames))
    public var maxFrames: Int?

    /// Pixels of a frame.
    @Option(
        help: ArgumentHelp(
            "Pixels of a video's frame once resized, at most, or \"none\" for the checkpoint's own limits alone. (default: for Qwen2-VL and Qwen2.5-VL 602112, as in qwen-vl-utils; for Qwen3-VL none)",
            valueName: "pixels"), transform: pixels)
    public var maxPixels: Int?

    /// Pixels of all frames.
    @Option(
        help: ArgumentHelp(
            "The same of all frames together, every two counted as one since they share tokens. (default: for Qwen2-VL and Qwen2.5-VL 90316800; for Qwen3-VL none)",
            valueName: "pixels"), transform: pixels)
    public var maxVideoPixels: Int?

    /// What the parser makes first.
    public init() {}

    /// More than any picture has.
    private static let unlimited = 1 << 40

    @Sendable private static func pixels(_ text: String) throws -> Int {
        text == "none" ? unlimited : try whole(1...unlimited)(text)
    }
}
