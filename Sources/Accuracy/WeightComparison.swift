public import Bundles
import GraphIR
import GroupFormats
public import Storage
public import Threads

/// What two bundles of one model hold under the same names, side by side, without running anything.
///
/// Memory is that of a few rows and of some figures for each row of one tensor; both files are read once, and tensors that are out
/// of line a few times.
public struct WeightComparison {
    /// Every weight that both have with one shape, in the order of the base.
    public let tensors: [TensorDifference]
    /// What is out of line, worst first.
    public let findings: [Finding]

    /// Reads both.
    /// - Parameter progress: told which tensor is read, of how many.
    /// - Throws: `badInput` when a bundle's graph or metadata cannot be read.
    public init(
        base: Bundle, other: Bundle, _ pool: ThreadPool,
        progress: (Int, Int) throws(Failure) -> Void = { _, _ in }
    ) throws(Failure) {
        let setups = (base: try ModelSetup(base), other: try ModelSetup(other))
        let roles = WeightRoles(try ModelGraph(json: setups.base.graph))
        let steps = setups.base.steps + setups.other.steps
        var scans = try WeightScans(base, other, roles, pool, isRewritten: !steps.isEmpty, progress)
        scans.setMedians()
        tensors = scans.differences
        findings = Finding.worstFirst(
            setups.base.findings(against: setups.other) + (try scans.findings))
    }

    /// The medians over weights that are not the same bit by bit: of their errors, and of what these should be.
    public var medians: (error: Double, expected: Double)? {
        let changed = tensors.filter { $0.error > 0 && !$0.isRewritten }
        guard !changed.isEmpty else { return nil }
        return (Median.of(changed.map(\.error)), Median.of(changed.map(\.expected)))
    }

    /// The error and name of the weight that is furthest away.
    public var furthest: TensorDifference? { tensors.max { $0.error < $1.error } }

    /// In one sentence.
    public var verdict: String {
        if let first = findings.first {
            let more = findings.count - 1
            return "\(first.words)" + (more > 0 ? "; \(more) more finding\(more > 1 ? "s" : "")." : ".")
        }
        let rewritten = tensors.count { $0.isRewritten }
        let note =
            rewritten > 0 ? "; \(rewritten) weights that the recipe changed together were not judged" : ""
        guard let medians else { return "Weights and all that goes with them are the same\(note)." }
        let error = TensorDiagnosis.short(100 * medians.error)
        let expected = TensorDiagnosis.short(100 * medians.expected)
        return
            "Weights that differ do so by \(error) % (median), where their formats cost \(expected) %: nothing is "
            + "out of line\(note)."
    }
}
