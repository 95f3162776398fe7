import Accuracy
import Bundles
import CommandSupport
import GroupFormats
import Storage

/// All that was compared of two models, as one document; `formats/diff.md`.
struct ComparisonDocument {
    let base: Bundle
    let other: Bundle
    let weights: WeightComparison
    var run: RunComparison?
    /// The document's parts of the run.
    var runMembers: [JSON.Member] = []
    /// Anonymous bytes that each model takes for the longest sample of the run.
    var memory: (base: Int, other: Int)?
    var answers: AnswerComparison?
    var gates: [Gate] = []
    /// Of the weights that are furthest from what is expected.
    private let histograms: [String: TensorHistogram]

    /// Weights whose values are counted.
    private static let counted = 8

    /// Of two bundles, with what their weights differ in.
    init(base: Bundle, other: Bundle, weights: WeightComparison) throws(Failure) {
        (self.base, self.other, self.weights) = (base, other, weights)
        let named = weights.findings.compactMap(\.tensor)
        let furthest = weights.tensors.filter { $0.error > 0 }.sorted {
            $0.error / max($0.expected, 1e-9) > $1.error / max($1.expected, 1e-9)
        }.map(\.name)
        var histograms: [String: TensorHistogram] = [:]
        for name in (named + furthest).prefix(2 * Self.counted)
        where histograms.count < Self.counted && histograms[name] == nil {
            histograms[name] = try TensorHistogram(name, base: base, other: other)
        }
        self.histograms = histograms
    }

    /// Worst first.
    var findings: [Finding] {
        let run = self.run.map { RunFindings($0, expected: expectedErrors).findings } ?? []
        return Finding.worstFirst(weights.findings + run)
    }

    /// By weight: what its format costs where it is not the same in both.
    private var expectedErrors: [String: Double] {
        var errors: [String: Double] = [:]
        for tensor in weights.tensors {
            errors[tensor.name] =
                tensor.isRewritten || tensor.error > 0 ? max(tensor.expected, tensor.error) : 0
        }
        return errors
    }

    /// One sentence.
    var verdict: String {
        let findings = findings
        guard let run else { return capitalized(weights.verdict) }
        let figure = run.divergence.divergence.mean
        let cost =
            figure.value == 0
            ? "both foretell the same, KL is 0"
            : "\(Path.name(other.path)) costs \(significant(figure.value)) ± \(significant(figure.standardError)) nats, "
                + "the same token is most likely at \(fixed(run.divergence.agreement * 100, 1)) % of positions"
        if let first = findings.first {
            let more = findings.count - 1
            return "\(capitalized(first.words)); \(cost)"
                + (more > 0 ? "; \(more) more finding\(more > 1 ? "s" : "")." : ".")
        }
        guard let medians = weights.medians else { return capitalized(cost) + ": nothing is out of line." }
        return capitalized(cost)
            + "; weights that differ do so by \(significant(100 * medians.error)) % where their formats "
            + "cost \(significant(100 * medians.expected)) %: nothing is out of line."
    }

    /// Names of files and weights stay as they are.
    private func capitalized(_ text: String) -> String {
        for word in ["both ", "the "] where text.hasPrefix(word) {
            return text.prefix(1).uppercased() + text.dropFirst()
        }
        return text
    }

    var json: JSON {
        let findings = findings
        var members: [JSON.Member] = [
            .init("verdict", .string(verdict)), .init("findings", .array(findings.map(\.json))),
            .init("base", side(base, run?.speeds.base, memory?.base)),
            .init("other", side(other, run?.speeds.other, memory?.other)),
        ]
        if !gates.isEmpty { members.append(.init("gates", .array(gates.map(\.json)))) }
        members.append(
            .init(
                "tensors",
                .array(
                    weights.tensors.map { tensor in
                        guard let histogram = histograms[tensor.name] else { return tensor.json }
                        return tensor.json.setting("histogram", to: histogram.json)
                    })))
        members += runMembers
        if let answers {
            members.append(.init("accuracy", AccuracyDocument(answers).json))
            members.append(
                .init(
                    "answers",
                    .array([answers.base.json, answers.other.json.setting("difference", to: answers.json)])))
        }
        return .object(members)
    }

    private func side(_ bundle: Bundle, _ speed: RunSpeeds.Speed?, _ memory: Int?) -> JSON {
        let tensors = bundle.tensors
        let bytes = tensors.reduce(0) { $0 + $1.byteCount }
        let values = tensors.reduce(0) { $0 + $1.shape.count }
        var members: [JSON.Member] = [
            .init("path", .string(bundle.path)), .init("bytes", .int(bundle.file.bytes.count)),
            .init("weights", .int(bytes)),
            .init("bits", .double(Double(bytes) * 8 / Double(max(1, values)))),
            .init("encodings", .array(encodings(tensors))),
        ]
        if let speed, speed.seconds > 0 {
            members.append(.init("seconds", .double(speed.seconds)))
            members.append(.init("tokens_per_second", .double(Double(speed.tokens) / speed.seconds)))
        }
        if let memory { members.append(.init("memory", .int(memory))) }
        return .object(members)
    }

    private func encodings(_ tensors: [TensorEntry]) -> [JSON] {
        var order: [String] = []
        var counts: [String: (tensors: Int, bytes: Int)] = [:]
        for tensor in tensors {
            let name = "\(tensor.encoding)"
            if counts[name] == nil { order.append(name) }
            counts[name, default: (0, 0)].tensors += 1
            counts[name, default: (0, 0)].bytes += tensor.byteCount
        }
        return order.map { name in
            let count = counts[name] ?? (0, 0)
            return .pairs([
                "encoding": .string(name), "tensors": .int(count.tensors), "bytes": .int(count.bytes),
            ])
        }
    }
}

extension TensorHistogram {
    fileprivate var json: JSON {
        .pairs([
            "from": .double(Double(range.lowerBound)), "to": .double(Double(range.upperBound)),
            "base": .array(base.map(JSON.int)), "other": .array(other.map(JSON.int)),
        ])
    }
}
