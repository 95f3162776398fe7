import CommandSupport
public import Quantization
public import Storage

extension RewriteSearch {
    /// What the steps brought, for people.
    /// - Parameter verbose: whether to list the places.
    public func summary(verbose: Bool) -> String {
        outcomes.flatMap { [$0.summary] + (verbose ? $0.places : []) }.joined(separator: "\n")
    }

    /// The same for programs.
    public var json: JSON { .array(outcomes.map(\.json)) }
}

extension RewriteSearch.Outcome {
    private var helping: [RewriteSearch.Finding] { findings.filter { $0.ratio ?? 0 < 1 } }

    /// In a line.
    fileprivate var summary: String {
        guard let divergences else { return "\(step.rawValue): \(nothing)" }
        return "\(step.rawValue): \(promise); KL divergence \(significant(divergences.without)) without, "
            + "\(significant(divergences.with)) with: \(isKept ? "kept" : "left out")"
    }

    private var nothing: String {
        if !findings.isEmpty { return "helps at 0 of \(findings.count) places" }
        let reasons = objections.prefix(3).joined(separator: "; ")
        return "finds no place" + (reasons.isEmpty ? "" : ": \(reasons)")
    }

    /// What the weights alone let expect.
    private var promise: String {
        let ratios = helping.compactMap(\.ratio)
        guard !ratios.isEmpty else { return "residual streams to turn: \(findings.count)" }
        let mean = ratios.reduce(0, +) / Double(ratios.count)
        return "helps at \(ratios.count) of \(findings.count) places, outputs there err "
            + "\(fixed(mean, 3)) times as much"
    }

    /// A line for each place that helps.
    fileprivate var places: [String] {
        helping.map { "  \($0.weight)" + ($0.ratio.map { ": \(fixed($0, 3))" } ?? "") }
    }

    fileprivate var json: JSON {
        .pairs([
            "step": .string(step.rawValue), "places": .int(findings.count), "helps": .int(helping.count),
            "objections": .array(objections.map { .string($0) }),
            "kl_without": divergences.map { .double($0.without) } ?? .null,
            "kl_with": divergences.map { .double($0.with) } ?? .null, "kept": .bool(isKept),
        ])
    }
}
