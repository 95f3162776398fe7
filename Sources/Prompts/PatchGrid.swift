/// How many patches a picture or a video has: time, height, width. What papers call `grid_thw`.
public struct PatchGrid: Equatable, Hashable, Sendable {
    /// Temporal patches: 1 for a picture, half the frames of a video.
    public var t: Int
    /// Patch rows.
    public var h: Int
    /// Patch columns.
    public var w: Int

    /// A grid from its sides.
    public init(t: Int, h: Int, w: Int) {
        self.t = t
        self.h = h
        self.w = w
    }

    /// t·h·w; nil when a side is negative or there are more than 2^31.
    public var patches: Int? {
        guard t >= 0, h >= 0, w >= 0, t <= 1 << 31, h <= 1 << 31, w <= 1 << 31 else { return nil }
        let frame = h * w
        guard frame <= 1 << 31 else { return nil }
        return t * frame <= 1 << 31 ? t * frame : nil
    }

    /// How many tokens the language model sees: one for each square of `mergeSize`² patches. Nil when the sides
    /// don't divide, or there are too many.
    public func tokens(mergeSize: Int) -> Int? {
        guard mergeSize > 0, let patches, h % mergeSize == 0, w % mergeSize == 0 else { return nil }
        return patches / mergeSize / mergeSize
    }
}
