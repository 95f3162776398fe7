import GraphIR

/// How much of a calibration set a stage saw.
public struct StageCoverage: Equatable, Sendable {
    /// The first weight that reads its rows.
    public let name: String
    /// The name of its graph.
    public let graph: String
    /// The number of the transformer block that it is in, if any.
    public let block: Int?
    /// K of its weights.
    public let columns: Int
    /// How many experts share the rows; 0 where all weights read all of them.
    public let experts: Int
    private var rowCounts: [Modality: Int] = [:]
    private var expertRowCounts: [Modality: [Int]] = [:]

    /// Nothing seen yet.
    public init(name: String, graph: String, block: Int? = nil, columns: Int, experts: Int = 0) {
        self.name = name
        self.graph = graph
        self.block = block
        self.columns = columns
        self.experts = experts
    }

    /// Adds rows.
    public mutating func add(_ modality: Modality, rows: Int) { rowCounts[modality, default: 0] += rows }

    /// Adds a row for each of the experts that were chosen, given by their numbers.
    public mutating func add(_ modality: Modality, experts chosen: some Sequence<Float>) {
        var counts = expertRows(modality)
        for number in chosen { counts[StagedGraph.Routes.expert(number, of: experts)] += 1 }
        expertRowCounts[modality] = counts
    }

    /// Rows of all modalities.
    public var rows: Int { rowCounts.values.reduce(0, +) }

    /// Rows of a modality.
    func rows(of modality: Modality) -> Int { rowCounts[modality] ?? 0 }

    /// The rows that each expert read; empty where there are none.
    public func expertRows(_ modality: Modality) -> [Int] {
        expertRowCounts[modality] ?? Array(repeating: 0, count: experts)
    }

    /// The experts that read no row at all.
    public var idleExperts: [Int] {
        (0..<experts).filter { number in Modality.allCases.allSatisfy { expertRows($0)[number] == 0 } }
    }
}

extension StagedGraph.Routes {
    /// The expert that a number stands for; as when the model runs, one that is no expert's stands for the first.
    static func expert(_ number: Float, of experts: Int) -> Int {
        number >= 0 && number < Float(experts) ? Int(number) : 0
    }
}
