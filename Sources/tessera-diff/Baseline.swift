import Accuracy
import CommandSupport
import Storage

/// A report that was kept: whatever is worse than in it fails.
///
/// Figures of a run are the same each time, so a change is one of the models; a twentieth is allowed, and so is one answer in a
/// thousand positions.
struct Baseline {
    private let document: JSON
    private let path: String

    /// A document that `--json` wrote.
    /// - Throws: `badInput` when it is none.
    init(_ path: String) throws(Failure) {
        self.path = path
        document = try ReportOptions.document(from: path)
        guard document["verdict"] != nil else {
            throw .badInput("is no report of a comparison: it has no verdict", file: path)
        }
    }

    /// What of a new document is worse, as gates named `baseline-…`.
    /// - Throws: `badInput` when the two are not of the same samples.
    func gates(_ new: JSON) throws(Failure) -> [Gate] {
        guard samples(document) == samples(new) else {
            throw .badInput(
                "was made over other samples", file: path, remedy: "give the same --data, --text or --prompt")
        }
        var gates: [Gate] = []
        func figure(_ json: JSON?) -> Double? {
            json?.double ?? (json?.string == "infinite" ? .infinity : nil)
        }
        func compare(
            _ name: String, _ words: String, _ value: (JSON) -> JSON?, worse limit: (Double) -> Double,
            isLess: Bool
        ) {
            guard let old = figure(value(document)), let now = figure(value(new)) else { return }
            let text = "\(words) is \(significant(now)), and was \(significant(old)) in \(Path.name(path))"
            gates.append(
                isLess
                    ? Gate("baseline-\(name)", atLeast: limit(old), now, text)
                    : Gate("baseline-\(name)", atMost: limit(old), now, text))
        }
        let twentieth = { (old: Double) in old * 1.05 + 1e-9 }
        compare(
            "kl", "the mean KL divergence", { $0["divergence"]?["mean"] }, worse: twentieth, isLess: false)
        compare(
            "top1", "the share of positions with the same most likely token",
            { $0["divergence"]?["same_top1"] },
            worse: { $0 - 0.001 }, isLess: true)
        compare(
            "accuracy", "the drop of accuracy in percentage points", { $0["accuracy"]?["drop"] },
            worse: { $0 + 1e-9 }, isLess: false)
        compare("weights", "the largest error of a weight", largestError, worse: twentieth, isLess: false)
        let known = Set(findings(document))
        let fresh = findings(new).filter { !known.contains($0) }
        gates.append(
            Gate(
                "baseline-findings", atMost: 0, Double(fresh.count),
                fresh.isEmpty
                    ? "there is no finding that \(Path.name(path)) has not"
                    : "\(fresh.count) findings are not in \(Path.name(path)), the first \(fresh[0])"))
        return gates
    }

    /// What was compared over.
    private func samples(_ json: JSON) -> [JSON] {
        let samples = (json["samples"]?.array ?? []).flatMap { sample in
            ["name", "tokens", "visual_tokens", "prompt"].map { sample[$0] ?? .null }
        }
        return samples + [json["divergence"]?["positions"] ?? .null, json["accuracy"]?["questions"] ?? .null]
    }

    private func largestError(_ json: JSON) -> JSON? {
        json["tensors"]?.array?.compactMap { $0["error"]?.double }.max().map(JSON.double)
    }

    private func findings(_ json: JSON) -> [String] {
        (json["findings"]?.array ?? []).map { finding in
            [finding["kind"], finding["tensor"], finding["stage"]].compactMap { $0?.string }.joined(
                separator: " ")
        }
    }
}
