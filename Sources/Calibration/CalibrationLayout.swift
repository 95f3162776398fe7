import Bundles
public import GraphIR
import GroupFormats
import Prompts
import SampleSets
import Storage

/// Whether rows come of text, or of pictures and videos.
public enum Modality: String, CaseIterable, Sendable {
    /// Tokens of text.
    case text
    /// Rows of a vision tower, and the tokens in whose place they stand.
    case vision
}

/// What a calibration file has of a stage's inputs: everything, or what fits where memory or room is short.
public enum Detail: String, CaseIterable, Sendable {
    /// All second moments.
    case full
    /// Those of each column by itself.
    case light
}

/// The tensors of a calibration file, in order; `formats/calibration.md` specifies them.
struct CalibrationLayout {
    /// A stage of a graph, named after the first weight that reads its inputs.
    struct Stage {
        let name: String
        /// The stage whose tensors tell of the rows: itself, or one before it that reads the same.
        let source: String
        let graph: String
        let columns: Int
        let modalities: [Modality]
        /// How many experts share its rows, where their shares are counted; 0 elsewhere.
        let experts: Int

        /// What there is of each modality, in order.
        var parts: [Part] { Part.allCases.filter { $0 == .experts ? experts > 0 : hasRows } }

        /// Whether its own tensors tell of the rows.
        var hasRows: Bool { source == name }
    }

    let stages: [Stage]
    let detail: Detail
    let plan: [TensorDescription]

    init(
        _ model: ModelGraph, _ prepared: PreparedSet, _ detail: Detail, sensitivity: Bool
    ) throws(Failure) {
        let hasVisuals = !prepared.visuals.isEmpty
        var stages: [Stage] = []
        for graph in model.graphs where graph.name != "vision" || hasVisuals {
            let modalities: [Modality] =
                graph.name == "vision" ? [.vision] : hasVisuals ? [.text, .vision] : [.text]
            stages += Self.stages(of: graph, model, modalities)
        }
        func shape(_ extents: [Int]) throws(Failure) -> Shape {
            guard let shape = Shape(checking: extents) else {
                throw Failure(.limit, "\(extents) values are too many")
            }
            return shape
        }
        var plan: [TensorDescription] = []
        for (index, visual) in prepared.visuals.enumerated() {
            plan.append(
                try TensorDescription(
                    name: Self.patches(index),
                    shape: try shape([visual.grid.patches ?? 0, prepared.patchWidth]),
                    encoding: .float(.float16)))
        }
        for stage in stages {
            for modality in stage.modalities {
                for part in stage.parts {
                    plan.append(
                        try TensorDescription(
                            name: Self.name(stage.name, modality, part),
                            shape: try shape([part.count(stage, detail)]),
                            encoding: .float(
                                part == .summary || part == .experts ? .float64 : .float32)))
                }
            }
        }
        if sensitivity {
            for name in SensitivityProbe.weights(model, hasVisuals: hasVisuals) {
                plan.append(
                    try TensorDescription(
                        name: Self.sensitivity(name), shape: shape([1]), encoding: .float(.float64)))
            }
        }
        self.stages = stages
        self.detail = detail
        self.plan = plan
    }

    private static func stages(
        of graph: Graph, _ model: ModelGraph, _ modalities: [Modality]
    ) -> [Stage] {
        /// The first stage that reads a value as rows of so many columns.
        struct Rows: Hashable {
            let value: Graph.ValueID
            let columns: Int
        }
        var sources: [Rows: String] = [:]
        return StagedGraph(graph).stages.map { stage in
            let columns = stage.columns(in: model) ?? graph[stage.input].type.columns ?? 0
            let rows = Rows(value: stage.input, columns: columns)
            let source = sources[rows] ?? stage.name
            sources[rows] = source
            return Stage(
                name: stage.name, source: source, graph: graph.name, columns: columns,
                modalities: modalities, experts: stage.routes?.experts ?? 0)
        }
    }

    /// What there is of a stage and a modality.
    enum Part: String, CaseIterable {
        /// Rows, range, kurtosis, share of outliers.
        case summary
        /// E[x].
        case mean
        /// E[max |x|²] of each group of 16 columns, of 32, of 64, and of 128.
        case peaks
        /// Σ x xᵀ, the lower triangle row by row; or Σ x².
        case moments
        /// The rows that each expert read.
        case experts

        func count(_ stage: Stage, _ detail: Detail) -> Int {
            switch (self, detail) {
            case (.summary, _): StageSummary.count
            case (.mean, _), (.moments, .light): stage.columns
            case (.peaks, _): StageStatistics.peakCount(columns: stage.columns)
            case (.moments, .full): stage.columns * (stage.columns + 1) / 2
            case (.experts, _): stage.experts
            }
        }
    }

    static func patches(_ visual: Int) -> String { "visual.\(visual).patches" }

    static func sensitivity(_ weight: String) -> String { "\(weight)/sensitivity" }

    static func name(_ stage: String, _ modality: Modality, _ part: Part) -> String {
        "\(stage)/\(modality.rawValue)/\(part.rawValue)"
    }
}

extension ModelGraph {
    /// The stage that each linear's weight is in, by the weight's name.
    public var stageNames: [String: String] {
        var names: [String: String] = [:]
        for stage in graphs.flatMap({ StagedGraph($0).stages }) {
            for node in stage.linears { names[node.operation.weightNames[0]] = stage.name }
        }
        return names
    }
}
