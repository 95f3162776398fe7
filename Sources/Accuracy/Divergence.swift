public import Storage
public import Threads

/// How far a model's next-token distributions are from those of a base model, position by position.
///
/// The measures are those of llama.cpp's perplexity tool: KL divergences in nats, agreement of the most likely token, and
/// perplexities where the next token is known.
///
/// A logit of −∞ is a probability of 0; where both rows have it, it adds nothing. Any other value that is not finite, and a −∞
/// that only one of the two has, makes the rows differ without limit: the divergence of that position is infinite, its tokens
/// do not agree, and `Summary.nonFinite` counts it.
public struct Divergence: Equatable, Sendable {
    /// In the order in which they were compared.
    public private(set) var positions: [Position]

    /// Nothing compared yet.
    public init() { positions = [] }

    /// What was compared at these positions.
    public init(_ positions: some Sequence<Position>) { self.positions = Array(positions) }

    /// Positions compared.
    public var count: Int { positions.count }

    /// Adds what another comparison found; after that of the first half of positions and the second's, this is that of all.
    public mutating func merge(_ other: Divergence) { positions += other.positions }

    /// Compares one position.
    /// - Parameters:
    ///   - target: the token that follows, if known.
    ///   - place: its number in the sequence; how many were compared before where it is not given.
    public mutating func add(
        base: UnsafeBufferPointer<Float>, other: UnsafeBufferPointer<Float>, target: Int32?,
        place: Int? = nil
    ) {
        positions.append(Position(base, other, target: target, place: place ?? count))
    }

    /// Compares rows of logits, one after the other in memory. The result does not depend on the pool's threads.
    /// - Parameters:
    ///   - targets: for each row the token that follows, if known; as many as there are rows.
    ///   - places: the rows' numbers in their sequence.
    /// - Throws: `mismatch` when the rows are not as many of both, of one width.
    public mutating func add(
        base: UnsafeBufferPointer<Float>, other: UnsafeBufferPointer<Float>, targets: [Int32?],
        places: [Int], _ pool: ThreadPool
    ) throws(Failure) {
        let rows = targets.count
        guard base.count == other.count, places.count == rows,
            rows == 0 ? base.isEmpty : base.count % rows == 0
        else { throw Failure(.mismatch, "the two runs have logits of other sizes") }
        guard rows > 0 else { return }
        let (start, width) = (count, base.count / rows)
        positions += repeatElement(Position(place: 0), count: rows)
        positions.withUnsafeMutableBufferPointer { positions in
            let found = positions
            pool.run(rows, grain: 1) { part in
                for row in part {
                    let range = row * width..<(row + 1) * width
                    found[start + row] = Position(
                        UnsafeBufferPointer(rebasing: base[range]),
                        UnsafeBufferPointer(rebasing: other[range]),
                        target: targets[row], place: places[row])
                }
            }
        }
    }

    /// The mean KL(base ‖ other) so far; nil when there is none.
    public var mean: Double? {
        positions.isEmpty ? nil : positions.reduce(0) { $0 + $1.divergence } / Double(count)
    }

    /// The measures over all positions; nil when there are none.
    public var summary: Summary? { positions.isEmpty ? nil : Summary(positions) }
}
