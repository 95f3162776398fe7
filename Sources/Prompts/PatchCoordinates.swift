/// Where patches lie in their frames, and where frames begin: what a vision tower needs beside the pixels.
public struct PatchCoordinates: Equatable, Sendable {
    /// Rows of all patches, then columns.
    public let values: [Int32]
    /// The first patch of each frame, and the number of patches.
    public let segments: [Int32]

    /// The coordinates of grids encoded together, in the order of their patches: by frame, then by squares of
    /// `mergeSize`², row by row within a square. Grids are as small as the patches that there are values of.
    public init(_ grids: [PatchGrid], mergeSize: Int) {
        let mergeSize = max(1, mergeSize)
        var (rows, columns): ([Int32], [Int32]) = ([], [])
        var segments: [Int32] = [0]
        for grid in grids {
            for _ in 0..<grid.t {
                for y in stride(from: 0, to: grid.h, by: mergeSize) {
                    for x in stride(from: 0, to: grid.w, by: mergeSize) {
                        for dy in 0..<mergeSize {
                            for dx in 0..<mergeSize {
                                rows.append(Int32(clamping: y + dy))
                                columns.append(Int32(clamping: x + dx))
                            }
                        }
                    }
                }
                segments.append(Int32(clamping: rows.count))
            }
        }
        values = rows + columns
        self.segments = segments
    }
}
