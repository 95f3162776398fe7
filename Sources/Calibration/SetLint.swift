public import Prompts
import SampleSets
import Storage

/// Something about a calibration set that makes what is quantized with it worse than it could be.
public struct SetWarning: Equatable, Sendable {
    /// Which rule found it.
    public enum Rule: String, Sendable {
        /// The vision tower was never run.
        case noPictures = "no_pictures"
        /// The vision tower saw one size only.
        case oneResolution = "one_resolution"
        /// Experts that no token was sent to.
        case idleExperts = "idle_experts"
        /// Second moments of fewer rows than they have columns.
        case fewRows = "few_rows"
        /// Samples or weights that sensitivities do not tell of.
        case notProbed = "not_probed"
    }

    /// Which rule found it.
    public let rule: Rule
    /// What it is, what it costs, and what to do, for people to read.
    public let message: String

    /// As a calibration file keeps it.
    var json: JSON { .pairs(["rule": .string(rule.rawValue), "message": .string(message)]) }
}

/// What can be wrong with a calibration set.
public enum SetLint {
    /// What the set itself shows.
    /// - Parameters:
    ///   - visuals: the patches of its pictures and videos.
    ///   - resizedAlike: whether the model sees every picture at the same size, whatever is given to it.
    ///   - visionStages: groups of linears in the model's vision tower.
    public static func warnings(
        visuals: [PatchGrid], resizedAlike: Bool, visionStages: Int
    ) -> [SetWarning] {
        guard let first = visuals.first else {
            guard visionStages > 0 else { return [] }
            return [
                SetWarning(
                    rule: .noPictures,
                    message:
                        "the set has no pictures: the vision tower, \(visionStages) groups of linears, is quantized blindly, "
                        + "--bits and --fit leave it to the recipe, and the language model is fitted to text only; add "
                        + "conversations with pictures to --data, or the word 'default'")
            ]
        }
        guard !resizedAlike, visuals.allSatisfy({ $0.h == first.h && $0.w == first.w }) else { return [] }
        let which = visuals.count == 1 ? "the only picture has" : "all \(visuals.count) pictures have"
        return [
            SetWarning(
                rule: .oneResolution,
                message:
                    "\(which) \(first.h)×\(first.w) patches: how values spread at other sizes is not seen, and "
                    + "pictures of other sizes may lose more; add larger and smaller ones, upright and wide")
        ]
    }

    /// What cannot be run often enough to measure how much weights matter.
    static func warnings(_ choice: ProbeChoice) -> [SetWarning] {
        choice.missing.map { kind in
            SetWarning(
                rule: .notProbed,
                message:
                    "no sample with \(kind.noun) has \(ProbeChoice.ceiling) tokens or fewer: how much weights matter is not "
                    + "measured on any; add shorter or smaller ones")
        }
    }

    /// What a run over the set did not tell of.
    /// - Parameter unprobed: the weights whose sensitivity was to be measured and could not.
    static func warnings(unprobed: [String]) -> [SetWarning] {
        guard let first = unprobed.first else { return [] }
        return [
            SetWarning(
                rule: .notProbed,
                message:
                    "how much \(unprobed.count) weights matter was not probed, '\(first)' among them: no answer that was "
                    + "compared depends on them; --bits and --fit leave them to the recipe")
        ]
    }

    /// What a run over the set showed.
    public static func warnings(_ stages: [StageCoverage], _ detail: Detail) -> [SetWarning] {
        var warnings: [SetWarning] = []
        // Second moments of single columns need no more rows than one; only those of pairs can be singular.
        if detail == .full {
            let vision = stages.filter { $0.graph == "vision" }
            let others = stages.filter { $0.graph != "vision" }
            warnings += [
                fewRows(vision, remedy: "add pictures, or larger ones"),
                fewRows(others, remedy: "add conversations or texts to --data, or raise --tokens"),
            ].compactMap { $0 }
        }
        return warnings + [idleExperts(stages)].compactMap { $0 }
    }

    /// The stage with the fewest rows for its columns stands for all that have too few.
    private static func fewRows(_ stages: [StageCoverage], remedy: String) -> SetWarning? {
        let short = stages.filter { $0.rows < $0.columns }
        func share(_ stage: StageCoverage) -> Double { Double(stage.rows) / Double(stage.columns) }
        guard let worst = short.min(by: { share($0) < share($1) }) else { return nil }
        return SetWarning(
            rule: .fewRows,
            message:
                "\(short.count) of \(stages.count) groups of linears read fewer rows than they have columns, worst "
                + "'\(worst.name)' with \(worst.rows) of \(worst.columns): their second moments are singular, and codes "
                + "are fitted to this set more than to what the model will read; \(remedy)")
    }

    private static func idleExperts(_ coverages: [StageCoverage]) -> SetWarning? {
        // A block's experts are those of its gate and up, and of its down: they count once.
        var seen: Set<String> = []
        let stages = coverages.filter {
            $0.experts > 0 && seen.insert("\($0.graph) \($0.block ?? -1)").inserted
        }
        let short = stages.filter { !$0.idleExperts.isEmpty }
        guard let worst = short.max(by: { $0.idleExperts.count < $1.idleExperts.count }) else { return nil }
        let (idle, all) = (
            short.reduce(0) { $0 + $1.idleExperts.count }, stages.reduce(0) { $0 + $1.experts }
        )
        let numbers = worst.idleExperts.prefix(8).map(String.init).joined(separator: ", ")
        let more = worst.idleExperts.count > 8 ? ", …" : ""
        return SetWarning(
            rule: .idleExperts,
            message:
                "\(idle) of \(all) experts were never chosen, most in \(worst.graph) block \(worst.block ?? 0) "
                + "(\(worst.idleExperts.count) of \(worst.experts): \(numbers)\(more)): their codes are fitted to what "
                + "other experts read; add data of other kinds and languages, or raise --tokens")
    }
}
