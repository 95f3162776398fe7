public import GraphIR
public import Storage

/// The mean squares of what a model's linears read, column by column, and no more: an imatrix, for that model.
public struct ColumnStatistics: Sendable {
    /// Where it comes from.
    public let matrix: ImportanceMatrix
    /// By the weight's name.
    public let meanSquares: [String: MeanSquares]

    /// What an imatrix has of a model.
    ///
    /// It does not say of which model it is. So each of its matrices must have a weight in the model, of as many columns and
    /// experts, and each block of the language model at least one matrix.
    /// - Throws: `badInput` when it is of another model.
    public init(_ matrix: ImportanceMatrix, _ model: ModelGraph) throws(Failure) {
        self.matrix = matrix
        do { meanSquares = try Self.match(matrix, model) } catch { throw error.located(in: matrix.path) }
    }

    private static func match(
        _ matrix: ImportanceMatrix, _ model: ModelGraph
    ) throws(Failure) -> [String: MeanSquares] {
        var meanSquares: [String: MeanSquares] = [:]
        var known: Set<String> = []
        var (covered, missing): (Set<Int>, [Int]) = ([], [])
        for linear in model.linears {
            let names = MatrixNames.names(of: linear.use)
            guard !names.isEmpty else { continue }
            let present = names.filter { matrix[$0] != nil }
            known.formUnion(present)
            if let block = linear.use.block {
                if present.isEmpty { missing.append(block) } else { covered.insert(block) }
            }
            guard let name = present.first, let entry = matrix[name] else { continue }
            do {
                try linear.check(entry)
                meanSquares[linear.use.weight] = try entry.meanSquares()
            } catch { throw Failure(error.kind, error.message, at: "matrix '\(name)'", remedy: error.remedy) }
        }
        if let name = matrix.names.first(where: { !known.contains($0) }) {
            throw otherModel("has the matrix '\(name)', and the model nothing of the kind")
        }
        if let block = missing.first(where: { !covered.contains($0) }) {
            throw otherModel("has nothing of block \(block)")
        }
        return meanSquares
    }

    fileprivate static func otherModel(_ message: String) -> Failure {
        .badInput(message, remedy: "is it an imatrix of the same model?")
    }
}

/// What llama.cpp calls a weight.
private enum MatrixNames {
    /// By role; of several the first that there is. What reads the same value has the same mean squares.
    private static let inBlocks = [
        "text.attention.q": ["attn_q", "attn_qkv"], "text.attention.k": ["attn_k", "attn_qkv"],
        "text.attention.v": ["attn_v", "attn_qkv"], "text.attention.qkv": ["attn_qkv"],
        "text.attention.output": ["attn_output"], "text.mlp.gate": ["ffn_gate"], "text.mlp.up": ["ffn_up"],
        "text.mlp.down": ["ffn_down"], "text.router": ["ffn_gate_inp"],
        "text.experts.gate": ["ffn_gate_exps", "ffn_gate_up_exps"],
        "text.experts.up": ["ffn_up_exps", "ffn_gate_up_exps"], "text.experts.down": ["ffn_down_exps"],
    ]
    /// The head that is the embedding goes by that name.
    private static let outside = ["text.head": ["output", "token_embd"]]

    static func names(of use: Operation.WeightUse) -> [String] {
        let role = use.role.description
        guard let block = use.block else { return (outside[role] ?? []).map { "\($0).weight" } }
        return (inBlocks[role] ?? []).map { "blk.\(block).\($0).weight" }
    }
}

/// A linear of a model, or those of experts.
private struct Linear {
    let use: Operation.WeightUse
    let columns: Int
    /// 1 for what is no mixture.
    let experts: Int

    func check(_ entry: ImportanceMatrix.Entry) throws(Failure) {
        guard entry.columns == columns else {
            throw ColumnStatistics.otherModel(
                "has \(entry.columns) columns where '\(use.weight)' has \(columns)")
        }
        guard entry.experts == experts else {
            throw ColumnStatistics.otherModel(
                "is of \(entry.experts) experts where '\(use.weight)' is of \(experts)")
        }
    }
}

extension ModelGraph {
    /// In the order in which they run.
    fileprivate var linears: [Linear] {
        let columns = Dictionary(weights.map { ($0.name, $0.shape.extents.last ?? 0) }) { first, _ in first }
        return graphs.flatMap(\.nodes).compactMap { node in
            switch node.operation {
            case .linear(let linear):
                Linear(use: linear.use, columns: columns[linear.use.weight] ?? 0, experts: 1)
            case .expertLinear(let linear):
                Linear(use: linear.use, columns: columns[linear.use.weight] ?? 0, experts: linear.experts)
            default: nil
            }
        }
    }
}
