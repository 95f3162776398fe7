/// The merges of a byte-pair encoding: which two neighbouring tokens become which one, and how urgently.
///
/// Kept sorted by the pair, so that it is ready as soon as it is read: no dictionary is built.
struct MergeTable: Equatable, Sendable {
    struct Merge: Equatable, Sendable {
        var left: UInt32
        var right: UInt32
        /// Lower goes first.
        var rank: UInt32
        /// The token that the pair becomes.
        var result: UInt32

        /// What merges are sorted by.
        var pair: UInt64 { UInt64(left) << 32 | UInt64(right) }
    }

    /// Sorted by pair; no pair twice.
    let merges: [Merge]
    /// Where the merges of each left token start; one more entry than there are tokens.
    private let starts: [UInt32]

    /// Takes merges that are sorted by pair and whose tokens are below `vocabularySize`.
    init(sorted merges: [Merge], vocabularySize: Int) {
        self.merges = merges
        var starts = [UInt32](repeating: 0, count: vocabularySize + 1)
        var next = 0
        for (index, merge) in merges.enumerated() {
            while next <= Int(merge.left) {
                starts[next] = UInt32(index)
                next += 1
            }
        }
        while next < starts.count {
            starts[next] = UInt32(merges.count)
            next += 1
        }
        self.starts = starts
    }

    /// The merge of two tokens, if they merge.
    func merge(_ left: UInt32, _ right: UInt32) -> Merge? {
        var low = Int(starts[Int(left)])
        var high = Int(starts[Int(left) + 1])
        while low < high {
            let middle = (low + high) / 2
            if merges[middle].right < right { low = middle + 1 } else { high = middle }
        }
        guard low < Int(starts[Int(left) + 1]), merges[low].right == right else { return nil }
        return merges[low]
    }
}
