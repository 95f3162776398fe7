import Storage

/// Reads matrices from the file while others are at work, where memory has no room for all of them.
///
/// Going round through more than there is room for, the system would drop each page shortly before it is needed again. So the
/// first matrices that fit stay, and the others are let go as soon as they were used.
struct WeightStreaming: Sendable {
    /// The bytes of each matrix that does not stay.
    private let streamed: [Int: MappedBytes]

    /// Nil where all stay.
    /// - Parameters:
    ///   - order: matrices, those that are worth their memory most first.
    ///   - room: the bytes that may stay.
    init?(_ weights: Weights, order: [Int], room: Int) {
        var (seen, streamed, left): (Set<Int>, [Int: MappedBytes], Int) = ([], [:], room)
        for matrix in order {
            // Bands of a weight's rows are one weight.
            guard let mapped = weights.mapped[matrix], seen.insert(mapped.range.lowerBound).inserted else {
                continue
            }
            if mapped.count <= left { left -= mapped.count } else { streamed[matrix] = mapped }
        }
        guard !streamed.isEmpty else { return nil }
        self.streamed = streamed
    }

    /// Begins to read those of `matrices` that did not stay.
    func expect(_ matrices: [Int]) {
        for case let mapped? in matrices.map({ streamed[$0] }) { mapped.file.advise(mapped.range, .willNeed) }
    }

    /// Lets those of `matrices` go that have no room to stay.
    func release(_ matrices: [Int]) {
        for case let mapped? in matrices.map({ streamed[$0] }) { mapped.file.advise(mapped.range, .pageOut) }
    }
}
