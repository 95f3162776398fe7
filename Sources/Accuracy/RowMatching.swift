import GroupFormats

/// Which of the base's rows the rows of a tensor are that are not their own.
struct RowMatching {
    /// A row of the other bundle, and the row of the base that it is, perhaps negated.
    struct Match {
        let row: Int
        let source: Int
        let isNegated: Bool
    }

    /// What was found, of the rows that were tried.
    let matches: [Match]
    /// Rows that were tried: the strange ones, or some of them, evenly spread.
    let tried: Int

    /// Rows that are tried, and columns that they are compared by, evenly spread: by chance, two rows of 64 values correlate
    /// by more than a half less than once in a hundred thousand.
    private static let rows = 48, columns = 64

    /// Looks for each row among all of the base's.
    init(_ base: StoredRows, _ other: StoredRows, strange: [Int], expected: Double) {
        let count = min(RowMatching.rows, strange.count)
        let sample = (0..<count).map { strange[$0 * strange.count / count] }
        let places = (0..<min(RowMatching.columns, base.columns)).map {
            $0 * base.columns / min(RowMatching.columns, base.columns)
        }
        let wanted = sample.map { RowMatching.normalised(other.row($0), places) }
        var best = [(source: Int, correlation: Float)](repeating: (0, 0), count: count)
        for candidate in 0..<base.rows {
            let values = RowMatching.normalised(base.row(candidate), places)
            for (place, row) in wanted.enumerated() {
                var correlation: Float = 0
                for index in values.indices { correlation += values[index] * row[index] }
                if abs(correlation) > abs(best[place].correlation) { best[place] = (candidate, correlation) }
            }
        }
        tried = count
        matches = zip(sample, best).compactMap { row, best in
            let match = Match(row: row, source: best.source, isNegated: best.correlation < 0)
            guard match.source != row || match.isNegated else { return nil }
            return RowMatching.explains(match, base, other, expected) ? match : nil
        }
    }

    /// Whether nearly all that was tried has a match.
    var isComplete: Bool { tried > 0 && matches.count * 4 >= tried * 3 }

    /// The whole row, not only the columns by which it was found, is within what the encodings cost.
    private static func explains(
        _ match: Match, _ base: StoredRows, _ other: StoredRows, _ expected: Double
    ) -> Bool {
        let source = base.row(match.source)
        let error = PairSums(match.isNegated ? source.map { -$0 } : source, other.row(match.row))
            .relativeError
        let before = PairSums(base.row(match.row), other.row(match.row)).relativeError
        return error < 3 * expected && error < 0.5 * before
    }

    private static func normalised(_ row: [Float], _ places: [Int]) -> [Float] {
        let values = places.map { row[$0] }
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 && length.isFinite ? values.map { $0 / length } : values.map { _ in 0 }
    }
}
