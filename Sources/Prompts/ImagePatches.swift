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
    /// - Throws: `badInput` when the picture is too thin (``smartResize(_:)``).
    public func patches(_ picture: Picture) throws(Failure) -> Patches { try patches(frames: [picture]) }

    /// The patches of a video's frames, which must all have one size. The last frame is repeated to fill a temporal patch,
    /// as a picture's only one is.
    ///
    /// - Throws: `badInput` when there is no frame, frames differ in size, or are too thin; `limit` when the values would
    ///   take 8 GiB or more.
    public func patches(frames: [Picture]) throws(Failure) -> Patches {
        guard let first = frames.first, frames.allSatisfy({ $0.size == first.size }) else {
            throw .badInput("a video needs frames of one size")
        }
        let plan = try plan(first.size, frames: frames.count)
        guard plan.patches < (1 << 31) / rowLength else {
            throw Failure(.limit, "\(plan.patches) patches are too many")
        }
        let resizer = ImageResizer(from: first.size, to: plan.resized, resampling)
        let tables = valueTables()
        let values = [Float](unsafeUninitializedCapacity: plan.patches * rowLength) { output, initialized in
            for (index, start) in stride(from: 0, to: frames.count, by: temporalPatchSize).enumerated() {
                var group = frames[start..<min(start + temporalPatchSize, frames.count)].map(resizer.resize)
                while group.count < temporalPatchSize, let last = group.last { group.append(last) }
                for (frame, picture) in group.enumerated() {
                    cut(picture, frame: frame, time: index, plan.grid, tables, into: output)
                }
            }
            initialized = output.count
        }
        return Patches(values: values, grid: plan.grid)
    }

    /// Writes one frame's values into the rows of its time.
    private func cut(
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
    private func valueTables() -> [[Float]] {
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
