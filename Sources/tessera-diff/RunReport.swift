import Accuracy
import CommandSupport
import Prompts
import Storage
import Tessera

/// What two models that were run foretell, as tables.
struct RunReport {
    private let run: RunComparison
    private let base: Model
    private let other: Model
    private let allStages: Bool
    /// Stages that findings are about.
    private let marked: Set<String>

    init(
        _ run: RunComparison, base: Model, other: Model, allStages: Bool, findings: [Finding]
    ) {
        self.run = run
        self.base = base
        self.other = other
        self.allStages = allStages
        marked = Set(findings.compactMap(\.stage))
    }

    /// Without an end of line.
    func text() throws(Failure) -> String {
        var blocks = [overview, stages]
        if let attribution = run.attribution { blocks.append(AttributionReport(attribution).text) }
        var parts = [("all positions", run.divergence)]
        if let answers = run.answerDivergence { parts.append(("the answers", answers)) }
        blocks.append(DivergenceReport(parts).text)
        let answers = try self.answers()
        if !answers.isEmpty { blocks.append(answers) }
        return blocks.joined(separator: "\n\n")
    }

    private var overview: String {
        let (count, tokens) = (run.samples.count, run.set.tokenCount)
        let window = tokens / max(1, count)
        let what =
            if case .from(let first)? = run.set.items.first?.scored,
                run.set.items.allSatisfy({ $0.scored == .from(first) })
            {
                "\(count) windows of \(window) tokens, \(scored(from: first, of: window))"
            } else { "\(count) sample\(count == 1 ? "" : "s"), \(tokens) tokens" }
        return "\(what); \(run.stageSamples.count) of them part by part"
    }

    private func scored(from first: Int, of window: Int) -> String {
        switch first {
        case 0: "all of each scored"
        case window / 2: "the second half of each scored"
        default: "each scored from token \(first) on"
        }
    }

    /// Whole blocks, or all.
    private var stages: String {
        var table = Table(
            "stage", "max |error| / max |base|", "relative L2", "SQNR dB", "cosine", "alone",
            "its kind alone", "pictures", "text")
        for stage in run.stages where allStages || isBlock(stage.name) || marked.contains(stage.name) {
            let error = stage.accumulated
            table.add(
                stage.name, significant(error.relativeMaximum), significant(error.relativeL2),
                error.signalToNoise == .infinity ? "exact" : fixed(error.signalToNoise, 1),
                error.cosine.isFinite ? fixed(error.cosine, 6) : "", significant(stage.own.relativeL2),
                stage.expectedOwn.map(significant) ?? "",
                stage.visual.map { significant($0.relativeL2) } ?? "",
                stage.text.map { significant($0.relativeL2) } ?? "")
        }
        return table.text
    }

    private func isBlock(_ name: String) -> Bool {
        let words = name.split(separator: ".")
        return words.count <= 3 && !words.contains("attention") && !words.contains("mlp")
            && !name.contains("+")
            && (words.count < 3 || Int(words[2]) != nil)
    }

    /// Answers that are not the same, and where they part; of one question both.
    private func answers() throws(Failure) -> String {
        var lines: [String] = []
        var same = 0
        for number in run.samples.indices {
            guard let answers = run.answerTokens(number) else { continue }
            let parting = run.samples[number].parting
            guard parting != nil || run.samples.count == 1 else {
                same += 1
                continue
            }
            if run.samples.count > 1 { lines.append(run.set.items[number].name) }
            lines.append("base   \(try base.requireTokenizer().decode(answers.base))")
            lines.append("other  \(try other.requireTokenizer().decode(answers.other))")
            guard let parting else {
                lines.append("the answers are the same")
                continue
            }
            lines.append("the answers part at token \(parting.token)")
            for (name, tops, model) in [("base", parting.base, base), ("other", parting.other, other)] {
                let tokenizer = try model.requireTokenizer()
                let words = (tops?.entries ?? []).map {
                    "\(tokenizer.decode([$0.token], skipSpecials: false)) \(fixed($0.probability * 100, 1)) %"
                }
                if !words.isEmpty { lines.append("    \(name): \(words.joined(separator: ", "))") }
            }
        }
        if same > 0 { lines.append("\(same) answers are the same") }
        return lines.joined(separator: "\n")
    }
}

/// What each part of a model costs alone, as tables.
struct AttributionReport {
    private let attribution: Attribution

    init(_ attribution: Attribution) { self.attribution = attribution }

    var text: String {
        let whole = attribution.whole
        var lines = [
            "Parts exchanged one by one, over \(attribution.samples) sample\(attribution.samples == 1 ? "" : "s"), \(attribution.tokens) tokens, "
                + "\(attribution.positions) positions: the whole costs \(significant(whole)) nats, all parts alone add up to "
                + "\(significant(attribution.sum)). Weights alone cost \(significant(attribution.weights)), rounded activations "
                + "as well \(significant(whole)), the runtime's cache as well \(significant(attribution.cache))."
        ]
        var roles = Table("role", "alone", "all but it")
        for role in attribution.roles {
            roles.add(role.name, significant(role.cost.only), role.cost.without.map(significant) ?? "")
        }
        lines.append(roles.text)
        var modules = Table("what costs most", "alone", "of the sum", "all but it")
        let costliest = attribution.costliest.prefix(Attribution.probed)
        for module in costliest {
            let share = attribution.sum > 0 ? 100 * module.cost.only / attribution.sum : 0
            modules.add(
                module.name, significant(module.cost.only), "\(fixed(share, 1)) %",
                module.cost.without.map(significant) ?? "")
        }
        lines.append(modules.text)
        if !costliest.isEmpty {
            lines.append(
                (["Rules of a recipe that give the costliest more bits:"]
                    + costliest.prefix(3).map { "    " + $0.rule })
                    .joined(separator: "\n"))
        }
        return lines.joined(separator: "\n\n")
    }
}
