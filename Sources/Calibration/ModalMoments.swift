public import Storage
import Threads

/// Second moments of a stage's inputs, those of each modality by themselves.
public struct ModalMoments: ~Copyable {
    private let moments: [SecondMoments]

    init(columns: Int) { moments = Modality.allCases.map { _ in SecondMoments(columns: columns) } }

    func add(_ rows: UnsafeBufferPointer<Float>, _ modality: Modality, _ pool: ThreadPool) {
        guard let place = Modality.allCases.firstIndex(of: modality) else { return }
        moments[place].add(rows, pool)
    }

    /// What a row of each modality counts once they are balanced; 0 of one that was not seen.
    /// - Throws: `badInput` when moments are not finite.
    func shares() throws(Failure) -> [Modality: Double] {
        var shares: [Modality: Double] = [:]
        for (modality, moments) in zip(Modality.allCases, moments) {
            shares[modality] = try moments.isEmpty() ? 0 : 1 / moments.trace
        }
        return shares
    }

    /// Everything, modalities balanced; nil when nothing was seen.
    /// - Throws: `badInput` when moments are not finite.
    public consuming func balanced() throws(Failure) -> SecondMoments? {
        try SecondMoments.balanced(moments)
    }
}
