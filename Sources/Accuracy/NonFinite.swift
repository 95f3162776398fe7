import Storage

/// Rows of two runs, or positions of them, at which either has a NaN or an infinity.
public struct NonFinite: Equatable, Sendable {
    /// Which of the two runs.
    public enum Side: String, Sendable {
        case base, other, both
    }

    /// How many rows there are.
    public private(set) var count = 0
    /// The number of the first, from 0 on; of no meaning while there is none.
    public private(set) var first = 0
    /// Whose the first is.
    public private(set) var side = Side.both

    /// Counts row `row` if either run's is not finite.
    mutating func add(_ row: Int, base: Bool, other: Bool) {
        guard base || other else { return }
        if count == 0 { (first, side) = (row, base && other ? .both : base ? .base : .other) }
        count += 1
    }

    /// With other rows of the same runs.
    func merged(_ other: NonFinite) -> NonFinite {
        var sum = count > 0 && (other.count == 0 || first <= other.first) ? self : other
        sum.count = count + other.count
        return sum
    }

    /// What to say of `stage`; nil when there is no such row.
    /// - Parameter unit: what a row is.
    func failure(at stage: String, unit: String) -> Failure? {
        guard count > 0 else { return nil }
        let whose = side == .both ? "both" : "the \(side.rawValue)"
        return Failure(
            .mismatch, "is not finite at \(count) \(unit)s, the first \(unit) \(first) of \(whose)", at: stage
        )
    }
}
