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
    public let findings: [WeightFinding]

    /// Reads both.
    /// - Parameter progress: told which tensor is read, of how many.
    /// - Throws: `badInput` when a bundle's graph or metadata cannot be read.
    public init(
        base: Bundle, other: Bundle, _ pool: ThreadPool,
        progress: (Int, Int) throws(Failure) -> Void = { _, _ in }
    ) throws(Failure) {
        let graphs = (base: try base.graphJSON, other: try other.graphJSON)
        let metadata = (base: try base.metadata, other: try other.metadata)
        let roles = WeightRoles(try WeightComparison.graph(graphs.base, base.path))
        _ = try WeightComparison.graph(graphs.other, other.path)
        let steps = WeightComparison.steps(metadata.base) + WeightComparison.steps(metadata.other)
        let addsBiases = steps.contains("correct-biases")
        var scans = try WeightScans(base, other, roles, pool, isRewritten: !steps.isEmpty, progress)
        scans.setMedians()
        var findings = UnpairedTensors(base, other, addsBiases: addsBiases).findings
        findings += try scans.findings
        findings += GraphDifference(graphs.base, graphs.other, addsBiases: addsBiases).findings
        let sameTokenizer = try base.tokenizer == other.tokenizer
        findings +=
            SettingsDifference(metadata.base, metadata.other, sameTokenizer: sameTokenizer).findings
        tensors = scans.differences
        // Sorting keeps the order of equals only so.
        self.findings = findings.enumerated().sorted {
            WeightFinding.isWorse($0.element, $1.element)
                || !WeightFinding.isWorse($1.element, $0.element) && $0.offset < $1.offset
        }.map(\.element)
    }

    private static func graph(_ json: JSON, _ path: String) throws(Failure) -> ModelGraph {
        do { return try ModelGraph(json: json) } catch { throw error.located(in: path) }
    }

    /// The steps of the recipe that a bundle was made with: they change weights together.
    private static func steps(_ metadata: JSON) -> [String] {
        metadata["provenance"]?["recipe"]?["steps"]?.strings ?? []
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
