import Storage

/// What a comparison found, as `formats/diff.md` says.
struct Document {
    let verdict: String?
    let findings: [Finding]?
    let base, other: Side?
    let gates: [Gate]?
    let tensors: [TensorPair]?
    let stages: [Stage]?
    let divergence, answerDivergence: DivergenceSummary?
    let positions: [Band]?
    let samples: [Sample]?
    let attribution: Attribution?
    let accuracy: AnswerAccuracy?

    init(_ json: JSON) {
        verdict = json.text("verdict")
        findings = json.list("findings", Finding.init)
        base = json["base"].flatMap(Side.init)
        other = json["other"].flatMap(Side.init)
        gates = json.list("gates", Gate.init)
        tensors = json.list("tensors", TensorPair.init)
        stages = json.list("stages", Stage.init)
        divergence = json["divergence"].flatMap(DivergenceSummary.init)
        answerDivergence = json["answer_divergence"].flatMap(DivergenceSummary.init)
        positions = json.list("positions", Band.init)
        samples = json.list("samples", Sample.init)
        attribution = json["attribution"].flatMap(Attribution.init)
        accuracy = json["accuracy"].flatMap(AnswerAccuracy.init)
    }

    /// `base.tessera → other.tessera`, or less where the sides are not known.
    var title: String {
        let names = [base?.path, other?.path].compactMap { $0.map(Path.name) }
        return names.isEmpty ? "Comparison" : names.joined(separator: " → ")
    }

    var failedGates: [Gate] { (gates ?? []).filter { !$0.passed } }
}

/// Something that stands out.
struct Finding {
    let kind: String
    let tensor, stage: String?
    let figure, expected: Double?
    let words: String
    let remedy: String?

    init?(_ json: JSON) {
        guard let words = json.text("words") ?? json.text("kind") else { return nil }
        kind = json.text("kind") ?? "finding"
        (tensor, stage) = (json.text("tensor"), json.text("stage"))
        (figure, expected) = (json.measure("figure"), json.measure("expected"))
        self.words = words
        remedy = json.text("remedy")
    }

    /// `0.0785, expected 0.0261`; nil where nothing is measured.
    var measured: String? {
        figure.map { Words.figure($0) + (expected.map { ", expected " + Words.figure($0) } ?? "") }
    }
}

/// A limit that was given.
struct Gate {
    let name: String
    let limit, figure: Double?
    let passed: Bool
    let words: String?

    init?(_ json: JSON) {
        guard let name = json.text("name") else { return nil }
        self.name = name
        (limit, figure) = (json.measure("limit"), json.measure("figure"))
        // What does not say that it passed has not.
        passed = json["passed"]?.bool ?? false
        words = json.text("words")
    }
}

/// One of the two bundles.
struct Side {
    let path: String?
    let bytes, weights: Int?
    /// Anonymous bytes for the longest sample.
    let memory: Int?
    let bits, seconds, tokensPerSecond: Double?
    let encodings: [(name: String, tensors: Int?, bytes: Int?)]

    init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        path = json.text("path")
        (bytes, weights) = (json["bytes"]?.int, json["weights"]?.int)
        memory = json["memory"]?.int
        bits = json.measure("bits")
        (seconds, tokensPerSecond) = (json.measure("seconds"), json.measure("tokens_per_second"))
        encodings =
            json.list("encodings") { entry in
                entry.text("encoding").map { ($0, entry["tensors"]?.int, entry["bytes"]?.int) }
            } ?? []
    }
}

/// A divergence over many positions, in nats.
struct DivergenceSummary {
    let positions: Int?
    let mean, standardError, median, p95, p99, p999, maximum: Double?
    let sameTop1, sameTop1Error: Double?
    let basePerplexity, otherPerplexity: Double?
    let nonFinite: Int?
    let probabilityChange, probabilityChangeError: Double?
    /// KL(OTHER ‖ BASE).
    let reverse: [DivergenceSummary]

    init?(_ json: JSON) { self.init(json, reversible: true) }

    private init?(_ json: JSON, reversible: Bool) {
        guard json.members != nil else { return nil }
        positions = json["positions"]?.int
        (mean, standardError) = (json.measure("mean"), json.measure("standard_error"))
        (median, p95, p99) = (json.measure("median"), json.measure("p95"), json.measure("p99"))
        (p999, maximum) = (json.measure("p999"), json.measure("maximum"))
        (sameTop1, sameTop1Error) = (json.measure("same_top1"), json.measure("same_top1_error"))
        basePerplexity = json.measure("base_perplexity")
        otherPerplexity = json.measure("other_perplexity")
        nonFinite = json["non_finite"]?.int
        probabilityChange = json.measure("rms_probability_change")
        probabilityChangeError = json.measure("rms_probability_change_error")
        let backwards = reversible ? json["reverse"] : nil
        reverse = backwards.flatMap { DivergenceSummary($0, reversible: false) }.map { [$0] } ?? []
    }
}

/// Positions that follow each other.
struct Band {
    let from, to: Int
    let positions: Int?
    let mean, standardError: Double?

    init?(_ json: JSON) {
        guard let from = json["from"]?.int, let to = json["to"]?.int else { return nil }
        (self.from, self.to) = (from, to)
        positions = json["positions"]?.int
        (mean, standardError) = (json.measure("mean"), json.measure("standard_error"))
    }
}
