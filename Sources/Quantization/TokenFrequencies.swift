import Calibration
import SampleSets

/// How often tokens come up, by their numbers: how much the rows of a table of tokens matter.
struct TokenFrequencies {
    /// The tokens of the set, ascending.
    private let tokens: [Int32]

    /// What counts as spread evenly over all tokens, for other texts have other words.
    private static let unseen = 0.1
    /// Where bands of a table may begin: tokens are numbered by how frequent they are, nearly.
    private static let starts = [0, 1 << 10, 1 << 12, 1 << 14, 1 << 16]

    /// Of the tokens of a calibration set; those in whose place pictures stand do not count.
    init(_ set: PreparedSet) {
        self.init(
            set.samples.flatMap { sample in
                let visual = Set(sample.visualRows)
                return sample.tokens.indices.filter { !visual.contains(Int32($0)) }.map { sample.tokens[$0] }
            })
    }

    /// Of tokens.
    init(_ tokens: [Int32]) { self.tokens = tokens.sorted() }

    /// The rows of a table that formats are chosen for by themselves.
    static func bands(of table: Int) -> [Range<Int>] {
        let starts = starts.filter { $0 < table }
        return zip(starts, starts.dropFirst() + [table]).map { $0..<$1 }
    }

    /// What a run of rows of a table matters, of 1 for all.
    func share(_ rows: Range<Int>, of table: Int) -> Double {
        let even = Double(rows.count) / Double(max(1, table))
        let total = count(0..<table)
        guard total > 0 else { return even }
        return (1 - Self.unseen) * Double(count(rows)) / Double(total) + Self.unseen * even
    }

    private func count(_ range: Range<Int>) -> Int {
        below(range.upperBound) - below(range.lowerBound)
    }

    /// How many tokens have smaller numbers.
    private func below(_ number: Int) -> Int {
        var places = 0..<tokens.count
        while !places.isEmpty {
            let middle = places.lowerBound + places.count / 2
            places =
                Int(tokens[middle]) < number
                ? middle + 1..<places.upperBound : places.lowerBound..<middle
        }
        return places.lowerBound
    }
}
