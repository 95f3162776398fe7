public import Storage
import Threads

/// Second moments of a stage's inputs in two parts: what is learned of one can be tried on the other.
public struct SplitMoments: ~Copyable {
    private let fitted, heldOut: [SecondMoments]

    init(columns: Int) {
        fitted = Modality.allCases.map { _ in SecondMoments(columns: columns) }
        heldOut = Modality.allCases.map { _ in SecondMoments(columns: columns) }
    }

    func add(
        _ rows: UnsafeBufferPointer<Float>, _ modality: Modality, isHeldOut: Bool, _ pool: ThreadPool
    ) {
        guard let place = Modality.allCases.firstIndex(of: modality) else { return }
        (isHeldOut ? heldOut : fitted)[place].add(rows, pool)
    }

    /// What a row of each modality counts once they are balanced; 0 of one that was not seen.
    /// - Throws: `badInput` when moments are not finite.
    func shares() throws(Failure) -> [Modality: Double] {
        var shares: [Modality: Double] = [:]
        for (place, modality) in Modality.allCases.enumerated() {
            let (first, second) = (try fitted[place].isEmpty(), try heldOut[place].isEmpty())
            shares[modality] = first && second ? 0 : 1 / (fitted[place].trace + heldOut[place].trace)
        }
        return shares
    }

    /// Lends both parts, modalities balanced in each; nil when there are too few samples for two.
    /// - Throws: `badInput` when moments are not finite, and what `body` does.
    public func withParts<Result>(
        _ body: (SecondMoments, SecondMoments) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard let most = try SecondMoments.balanced(fitted), let rest = try SecondMoments.balanced(heldOut)
        else {
            return nil
        }
        return try body(most, rest)
    }

    /// Everything, modalities balanced; nil when nothing was seen.
    /// - Throws: `badInput` when moments are not finite.
    public consuming func whole() throws(Failure) -> SecondMoments? {
        for (most, rest) in zip(fitted, heldOut) { most.add(rest) }
        return try SecondMoments.balanced(fitted)
    }
}
