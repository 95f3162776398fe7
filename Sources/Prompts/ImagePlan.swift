public import Storage

/// What a picture will cost, before its pixels are decoded.
public struct ImagePlan: Equatable, Sendable {
    /// The picture as it is.
    public let size: ImageSize
    /// The picture as the model sees it.
    public let resized: ImageSize
    /// The resized picture in patches.
    public let grid: PatchGrid
    /// Rows that the vision tower takes.
    public let patches: Int
    /// Tokens that the language model sees.
    public let tokens: Int
}

extension ImagePreprocessor {
    /// The size that a picture is resized to: both sides multiples of ``factor``, the area within the limits, the shape
    /// kept as well as can be. The reference's `smart_resize`.
    ///
    /// - Throws: `badInput` when a side is not positive or one is more than 200 times the other.
    public func smartResize(_ size: ImageSize) throws(Failure) -> ImageSize {
        if let fixedSide, size.width > 0, size.height > 0 {
            try check()
            return ImageSize(width: fixedSide, height: fixedSide)
        }
        return try smartResize(size, frames: 1, rounded: 1)
    }

    /// The same with limits for all frames together.
    /// - Parameter rounded: the number of frames by which the resized picture's pixels are multiplied.
    func smartResize(_ size: ImageSize, frames: Double, rounded: Double) throws(Failure) -> ImageSize {
        try check()
        let (width, height) = (Double(size.width), Double(size.height))
        guard size.width > 0, size.height > 0, max(width, height) / min(width, height) <= 200 else {
            throw .badInput(
                "a picture of \(size.width)×\(size.height) pixels is too thin: one side may be 200 times the other",
                remedy: "crop it")
        }
        let factor = Double(self.factor)
        func multiple(_ side: Double, _ rule: FloatingPointRoundingRule) -> Double {
            (side / factor).rounded(rule) * factor
        }
        var resized = (
            width: multiple(width, .toNearestOrEven), height: multiple(height, .toNearestOrEven)
        )
        let (least, most) = (Double(minimumPixels), Double(maximumPixels))
        if rounded * resized.height * resized.width > most {
            let scale = (frames * height * width / most).squareRoot()
            resized.width = max(factor, multiple(width / scale, .down))
            resized.height = max(factor, multiple(height / scale, .down))
        } else if rounded * resized.height * resized.width < least {
            let scale = (least / (frames * height * width)).squareRoot()
            resized.width = multiple(width * scale, .up)
            resized.height = multiple(height * scale, .up)
        }
        guard let width = Int(exactly: resized.width), let height = Int(exactly: resized.height) else {
            throw Failure(.limit, "a picture of \(size.width)×\(size.height) pixels is too large")
        }
        return ImageSize(width: width, height: height)
    }

    /// What a picture of this size will cost; `frames` is more than 1 for a video.
    ///
    /// - Throws: `badInput` as ``smartResize(_:)`` does, `limit` when there are too many patches.
    public func plan(_ size: ImageSize, frames: Int = 1) throws(Failure) -> ImagePlan {
        try plan(size, resized: try smartResize(size), frames: frames)
    }

    /// What frames of this size cost when they are resized to `resized`.
    func plan(_ size: ImageSize, resized: ImageSize, frames: Int) throws(Failure) -> ImagePlan {
        try check()
        guard frames <= 1 << 32 else { throw Failure(.limit, "\(frames) frames are too many") }
        let frameCount = max(1, frames)
        let grid = PatchGrid(
            t: frameCount / temporalPatchSize + (frameCount % temporalPatchSize == 0 ? 0 : 1),
            h: resized.height / patchSize, w: resized.width / patchSize)
        guard let patches = grid.patches, let tokens = tokens(of: grid) else {
            throw Failure(
                .limit, "\(frames) frames of \(resized.width)×\(resized.height) pixels are too many")
        }
        return ImagePlan(size: size, resized: resized, grid: grid, patches: patches, tokens: tokens)
    }
}
