import Storage

/// Where each buffer of a plan lies in the arena, for given extents.
///
/// Buffers are placed in the order in which they come alive, each at the lowest offset free for its whole life.
struct ArenaLayout {
    /// Byte offsets by buffer; -1 for inputs.
    var offsets: [Int]
    /// Bytes the arena must have.
    var count: Int

    private struct Placed {
        let range: Range<Int>
        let lastStep: Int
    }

    /// - Parameter inBlocks: whether what lives within a run of steps is as large as a block of rows only.
    /// - Throws: `limit` when the sizes overflow.
    init(_ plan: Plan, _ extents: Extents, inBlocks: Bool = true) throws(Failure) {
        var offsets = Array(repeating: -1, count: plan.buffers.count)
        var alive: [Placed] = []
        var count = 0
        let order = plan.buffers.indices.sorted {
            (plan.buffers[$0].live.lowerBound, $0) < (plan.buffers[$1].live.lowerBound, $1)
        }
        for index in order {
            let buffer = plan.buffers[index]
            let own = inBlocks ? plan.blockExtents(of: index, extents) : extents
            guard let size = try buffer.byteCount(own) else { continue }
            alive.removeAll { $0.lastStep < buffer.live.lowerBound }
            var offset = 0
            // `alive` is kept in the order of offsets: the first gap that is wide enough is the lowest.
            var position = 0
            while position < alive.count, alive[position].range.lowerBound < offset + size {
                offset = max(offset, alive[position].range.upperBound)
                position += 1
            }
            alive.insert(
                Placed(range: offset..<offset + size, lastStep: buffer.live.upperBound), at: position)
            offsets[index] = offset
            count = max(count, offset + size)
        }
        self.offsets = offsets
        self.count = count
    }
}

extension Plan.Buffer {
    /// Its bytes, in whole cache lines; nil for inputs.
    /// - Throws: `limit` when the size overflows.
    func byteCount(_ extents: Extents) throws(Failure) -> Int? {
        let perRow: Int
        var rows = extents(rows)
        switch kind {
        case .input: return nil
        case .floats(let width): perRow = width * 4
        case .activations(let columns, let group):
            perRow = ActivationLayout(columns: columns, group: group).bytesPerRow
        case .keyTiles(let heads, let headDimension):
            let tiles = KeyTiles(headDimension)
            (perRow, rows) = (heads * tiles.bytes, tiles.count(rows))
        }
        let (total, isMany) = rows.multipliedReportingOverflow(by: copies)
        let (bytes, isVast) = total.multipliedReportingOverflow(by: perRow)
        guard !isMany, !isVast, (0..<1 << 46).contains(bytes) else {
            throw Failure(.limit, "\(total) rows of \(perRow) bytes are more than can be addressed")
        }
        // Room for the alignment of the three parts of activations.
        return (bytes + 3 * 64 + 63) / 64 * 64
    }
}

/// Quantized activations in memory: codes, then scales, then sums, each part aligned to 64 bytes.
struct ActivationLayout {
    let paddedColumns: Int
    let groups: Int

    init(columns: Int, group: Int) {
        groups = (columns + group - 1) / group
        paddedColumns = groups * group
    }

    var bytesPerRow: Int { paddedColumns + 8 * groups }

    func scalesOffset(rows: Int) -> Int { (rows * paddedColumns + 63) / 64 * 64 }

    func sumsOffset(rows: Int) -> Int { scalesOffset(rows: rows) + (rows * groups * 4 + 63) / 64 * 64 }
}
