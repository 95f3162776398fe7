import Storage

/// What is out of line where two models were run.
///
/// What a stage's linears cost alone is measured in units of what the formats of their weights cost, and of the rounding of activations
/// to 8 bits; a stage is out of line when that is far above the median of its like in all blocks, or when weights that are the same give
/// other values.
public struct RunFindings {
    /// In the order of execution.
    public private(set) var findings: [Finding] = []

    /// A stage is out of line beyond so many times the median.
    static let factor = 6.0
    /// Errors below it are no damage, whatever others of the kind have.
    static let harmless = 0.05
    /// The relative error of rounding activations to int8 in groups of 32, about.
    static let activations = 0.01
    /// Where weights and graphs are the same, values are; in float32 nearly.
    static let unchanged = 1e-3

    /// Judges a run: where it is not finite that alone is said, since all that follows is not.
    public init(_ run: RunComparison, expected: [String: Double]) {
        self.init(run.nonFinite == nil ? run.stages : [], expected: expected)
        guard let failure = run.nonFinite else { return }
        findings = [
            Finding(
                .notFinite, stage: failure.place, figure: .infinity, expected: 0, failure.description,
                remedy: "look at the weights of this stage and before it; convert and quantize again")
        ]
    }

    /// Judges stages.
    /// - Parameter expected: the relative error that a weight's format costs, by name; 0 or absent for weights that are the same.
    public init(_ stages: [StageDifference], expected: [String: Double]) {
        func unit(_ stage: StageDifference) -> Double {
            let errors = stage.weights.compactMap { expected[$0] }.filter { $0 > 0 }
            guard let largest = errors.max() else { return 0 }
            return largest + Self.activations
        }
        let kinds = Dictionary(grouping: stages.filter { unit($0) > 0 }, by: \.kind).mapValues { alike in
            (count: alike.count, median: Median.of(alike.map { $0.own.relativeL2 / unit($0) }))
        }
        var named: Set<String> = []
        // Stages that the same linears give have one cause.
        for stage in stages where !named.contains(stage.weights.first ?? stage.module) {
            let (own, unit) = (stage.own.relativeL2, unit(stage))
            if unit == 0 {
                guard own > Self.unchanged else { continue }
                add(stage, expected: 0, "though their weights are the same")
            } else if let kind = kinds[stage.kind], kind.count > 2, !stage.isSum, own > Self.harmless,
                own / unit > Self.factor * kind.median
            {
                let others = kind.median * unit
                add(
                    stage, expected: others,
                    "\(TensorDiagnosis.short(own / max(others, .leastNormalMagnitude))) times what others of its kind lose"
                )
            } else {
                continue
            }
            named.insert(stage.weights.first ?? stage.module)
        }
    }

    private mutating func add(_ stage: StageDifference, expected: Double, _ why: String) {
        let percent =
            stage.own.relativeL2.isFinite
            ? TensorDiagnosis.short(100 * stage.own.relativeL2) + " %" : "without limit"
        findings.append(
            Finding(
                .stage, tensor: stage.weights.first, stage: stage.name, figure: stage.own.relativeL2,
                expected: expected,
                "\(stage.name) is \(percent) away where \(stage.module) alone is exchanged, \(why)",
                remedy: expected > 0
                    ? "look at its weights, or give it more bits: \(Self.rule(stage, expected: expected).text)"
                    : "compare the graphs and settings of both bundles; convert again"))
    }

    /// Eight bits leave a sixteenth of what four cost: where that is out of line, too, the weights are to be kept.
    private static func rule(_ stage: StageDifference, expected: Double) -> RecipeLine {
        RecipeLine(stage, isKept: stage.own.relativeL2 / 16 > factor * expected)
    }
}

/// The rule of a recipe that gives some weights more bits.
struct RecipeLine {
    let text: String

    /// - Parameter isKept: whether they are to be kept as they are; else they get 8 bits.
    init(roles: [String], block: Int?, isKept: Bool = false) {
        let list = roles.map { "\"\($0)\"" }.joined(separator: ", ")
        let blocks = block.map { ", \"blocks\": \"\($0)\"" } ?? ""
        let encoding = isKept ? "\"keep\"" : "{\"bits\": 8, \"group\": 32}"
        text = "{\"roles\": [\(list)]\(blocks), \"encoding\": \(encoding)}"
    }

    /// Of the linears of a stage.
    fileprivate init(_ stage: StageDifference, isKept: Bool) {
        let words = stage.module.split(separator: ".")
        let last = words.last.map { $0.split(separator: "+") } ?? []
        let head = words.dropLast().filter { $0 != "block" && Int($0) == nil }.joined(separator: ".")
        self.init(roles: last.map { "\(head).\($0)" }, block: stage.block, isKept: isKept)
    }
}
