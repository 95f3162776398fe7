import GroupFormats

/// How far apart two tensors should be when one is the other, stored in another encoding.
struct ExpectedError {
    /// ‖A − B‖ / ‖A‖.
    let relative: Double

    /// Sums of products in another order, as in merged weights, are no difference.
    static let least = 1e-6
    /// Of codes whose bits are not known any more: 4 bits in groups of 128 cost this, with a margin for none of minimums.
    private static let ofPublishedCodes = 0.12

    /// Measured on a sample of rows: what the other's encoding costs at the base's values, and the base's at the other's.
    init(_ base: StoredRows, _ other: StoredRows) {
        var squares = 0.0
        if base.encoding != other.encoding {
            squares += ExpectedError.squared(base, as: other)
            squares += ExpectedError.squared(other, as: base)
        }
        // Codes rounded to codes of the same kind cost nothing, though what both stand for was rounded twice.
        if base.isCoded, other.isCoded {
            squares = max(squares, [base, other].reduce(0) { $0 + ExpectedError.ofNormalValues($1) })
        }
        if base.wasCodes != other.wasCodes {
            squares += ExpectedError.ofPublishedCodes * ExpectedError.ofPublishedCodes
        }
        relative = max(squares.squareRoot(), ExpectedError.least)
    }

    /// Runs of rows that a tile holds, evenly spread: four give the error of a tensor within a few percent.
    private static func squared(_ rows: StoredRows, as target: StoredRows) -> Double {
        let tile = GroupGeometry.tileRows
        let tiles = (rows.rows + tile - 1) / tile
        var sums = PairSums()
        for place in 0..<min(4, tiles) {
            let first = place * tiles / min(4, tiles) * tile
            let run = first..<min(first + tile, rows.rows)
            let values = run.flatMap { rows.row($0) }
            let rounding = PlainRounding(encoding: target.encoding(ofRow: first))
            guard let rounded = rounding(values, columns: rows.columns) else { continue }
            sums += PairSums(values, rounded)
        }
        return sums.base > 0 ? min(sums.difference / sums.base, 1) : 0
    }

    /// The square for values with a normal distribution: a step is the range of a group by the number of steps, and what is lost
    /// is a twelfth of its square. The expected ranges of 16, 32, 64 and 128 normal values are 3.53, 4.14, 4.74 and 5.29.
    private static func ofNormalValues(_ rows: StoredRows) -> Double {
        let size = rows.groupSize ?? 32
        let range = size <= 16 ? 3.53 : size <= 32 ? 4.14 : size <= 64 ? 4.74 : 5.29
        let bits =
            switch rows.encoding(ofRow: 0) {
            case .groups(let format), .zeroPoints(let format), .affine(let format): format.bits.rawValue
            default: 4
            }
        let step = range / Double(1 << bits - 1)
        return step * step / 12
    }
}

extension PairSums {
    /// Over whole rows, run by run.
    init(_ base: [Float], _ other: [Float]) {
        self.init()
        base.withUnsafeBufferPointer { a in
            other.withUnsafeBufferPointer { b in
                for start in stride(from: 0, to: a.count, by: 128) {
                    let run = start..<min(start + 128, a.count)
                    self += PairSums(
                        UnsafeBufferPointer(rebasing: a[run]), UnsafeBufferPointer(rebasing: b[run]))
                }
            }
        }
    }
}
