/// A bound on the pixels of a video beside the limits of its checkpoint, as `qwen-vl-utils` 0.0.14 sets it.
public struct PixelBound: Equatable, Sendable {
    /// The most pixels of a resized frame.
    public var frame: Int
    /// The most pixels of a resized video, where the frames of a temporal patch count as one since they share its tokens.
    public var video: Int
    /// What the share of a frame in ``video`` is not pressed below.
    public var floor: Int

    /// More than any limit that a checkpoint may state.
    public static let unlimited = 1 << 40

    /// A bound from its parts.
    public init(frame: Int, video: Int, floor: Int) {
        self.frame = frame
        self.video = video
        self.floor = floor
    }

    /// `qwen-vl-utils`' own: 768 tokens a frame, nine tenths of 128,000 tokens a video, and never less than a frame of 128
    /// tokens and a twentieth.
    /// - Parameter factor: the side of the square that becomes one token.
    public init(factor: Int) {
        let token = factor * factor
        self.init(frame: 768 * token, video: 115_200 * token, floor: 128 * token * 105 / 100)
    }

    /// The most pixels of each of `count` frames.
    /// - Parameter together: the frames of a temporal patch.
    func perFrame(_ count: Int, together: Int) -> Int {
        let share = Double(video) * Double(together) / Double(max(1, count))
        let most = Double(ImagePreprocessor.mostPixels)
        let pixels = max(min(Double(frame), share), Double(min(frame, floor)))
        return Int(max(0, min(pixels, most)))
    }
}
