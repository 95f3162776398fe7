public import Storage

/// What a vision tower takes.
public struct Patches: Equatable, Sendable {
    /// Row by row: grid.t·grid.h·grid.w rows of 3·temporal·patch·patch values.
    ///
    /// Rows run over time, then over squares of merged patches, then over the patches in a square; the values in a row
    /// over channel, frame, pixel row, pixel column.
    public var values: [Float]
    /// How many rows there are, and of what.
    public var grid: PatchGrid

    /// Patches from their parts; `values` must be of the grid's size.
    public init(values: [Float], grid: PatchGrid) {
        self.values = values
        self.grid = grid
    }
}

extension ImagePreprocessor {
    /// The values in a row: those of one patch in all channels and frames.
    public var rowLength: Int { 3 * temporalPatchSize * patchSize * patchSize }

    /// The patches of a picture.
    ///
    /// - Throws: `badInput` when the picture is too thin (``smartResize(_:)``), `limit` when the values would take 8 GiB.
    public func patches(_ picture: Picture) throws(Failure) -> Patches {
        var cutter = try PatchCutter(self, try plan(picture.size))
        try cutter.append(picture)
        return cutter.finish()
    }
}

extension VideoPreprocessor {
    /// The patches of a video's frames, which must all have one size. The last frame is repeated to fill a temporal patch.
    ///
    /// - Throws: `badInput` when there is no frame, frames differ in size, or are too thin; `limit` when the values would
    ///   take 8 GiB or more.
    public func patches(_ pictures: [Picture]) throws(Failure) -> Patches {
        guard let first = pictures.first else { throw .badInput("a video needs frames") }
        var cutter = try PatchCutter(frames, try plan(first.size, frames: pictures.count))
        for picture in pictures { try cutter.append(picture) }
        return cutter.finish()
    }
}

/// Cuts frames into patches one by one, so that only one of them need be held.
public struct PatchCutter {
    private let settings: ImagePreprocessor
    private let plan: ImagePlan
    private let resizer: ImageResizer
    /// The normalized value of each level of each channel.
    private let tables: [[Float]]
    private var values: [Float]
    private var last: Picture?
    private var count = 0

    /// Begins to cut frames as planned.
    /// - Throws: `badInput` for a plan that was made with other settings, `limit` when the values would take 8 GiB or more,
    ///   or more than memory has room for.
    public init(_ settings: ImagePreprocessor, _ plan: ImagePlan) throws(Failure) {
        try settings.check()
        guard plan.resized.width == plan.grid.w * settings.patchSize,
            plan.resized.height == plan.grid.h * settings.patchSize,
            plan.grid.w % settings.mergeSize == 0, plan.grid.h % settings.mergeSize == 0
        else { throw .badInput("a picture was planned with other settings") }
        guard plan.patches < (1 << 31) / settings.rowLength else {
            throw Failure(.limit, "\(plan.patches) patches are too many")
        }
        let bytes = 4 * plan.patches * settings.rowLength + 6 * plan.resized.width * plan.resized.height
        try Machine.checkMemory(for: "cutting \(plan.patches) patches", bytes)
        self.settings = settings
        self.plan = plan
        resizer = ImageResizer(from: plan.size, to: plan.resized, settings.resampling)
        tables = settings.valueTables()
        values = [Float](repeating: 0, count: plan.patches * settings.rowLength)
    }

    /// Adds the next frame.
    /// - Throws: `badInput` when it has another size than planned, or there are more than planned.
    public mutating func append(_ picture: Picture) throws(Failure) {
        guard picture.size == plan.size else {
            throw .badInput(
                "a video needs frames of one size; here are \(picture.width)×\(picture.height) pixels, before were \(plan.size.width)×\(plan.size.height)"
            )
        }
        guard count < plan.grid.t * settings.temporalPatchSize else {
            throw .badInput("there are more frames than planned")
        }
        cut(resizer.resize(picture))
    }

    /// The patches, the last frame repeated to fill what is missing.
    public consuming func finish() -> Patches {
        while let last, count < plan.grid.t * settings.temporalPatchSize { cut(last) }
        return Patches(values: values, grid: plan.grid)
    }

    private mutating func cut(_ picture: Picture) {
        let (time, frame) = count.quotientAndRemainder(dividingBy: settings.temporalPatchSize)
        values.withUnsafeMutableBufferPointer {
            settings.cut(picture, frame: frame, time: time, plan.grid, tables, into: $0)
        }
        count += 1
        last = picture
    }
}

extension ImagePreprocessor {
    /// Writes one frame's values into the rows of its time.
    fileprivate func cut(
        _ picture: Picture, frame: Int, time: Int, _ grid: PatchGrid, _ tables: [[Float]],
        into output: UnsafeMutableBufferPointer<Float>
    ) {
        picture.pixels.withUnsafeBufferPointer { pixels in
            for row in 0..<(grid.h * grid.w) {
                let (y, x) = patch(ofRow: row, columns: grid.w)
                for (channel, table) in tables.enumerated() {
                    table.withUnsafeBufferPointer { values in
                        let plane = channel * temporalPatchSize + frame
                        var target =
                            (time * grid.h * grid.w + row) * rowLength + plane * patchSize * patchSize
                        for line in 0..<patchSize {
                            var source =
                                3 * ((y * patchSize + line) * picture.width + x * patchSize) + channel
                            for _ in 0..<patchSize {
                                output[target] = values[Int(pixels[source])]
                                target += 1
                                source += 3
                            }
                        }
                    }
                }
            }
        }
    }

    /// Where the patch of a row is: rows go through squares of merged patches one after another.
    private func patch(ofRow row: Int, columns: Int) -> (y: Int, x: Int) {
        let (square, within) = row.quotientAndRemainder(dividingBy: mergeSize * mergeSize)
        let (squareY, squareX) = square.quotientAndRemainder(dividingBy: columns / mergeSize)
        return (squareY * mergeSize + within / mergeSize, squareX * mergeSize + within % mergeSize)
    }

    /// The normalized value of each level of each channel, rounded where the reference rounds.
    fileprivate func valueTables() -> [[Float]] {
        zip(mean, standardDeviation).map { mean, deviation in
            (0..<256).map { level in
                switch resampling {
                case .torchvision:
                    (Float(level) - Float(mean) * 255) / (Float(deviation) * 255)
                case .pillow, .pillowRowsFirst:
                    (Float(Double(level) * (1.0 / 255)) - Float(mean)) / Float(deviation)
                }
            }
        }
    }
}
