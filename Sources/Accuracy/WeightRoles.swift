import GraphIR

/// What weights are for, so that each can be judged by others of its kind.
struct WeightRoles {
    private var roles: [String: String] = [:]
    private var expertCounts: [String: Int] = [:]

    /// The uses of a model's weights.
    init(_ graph: ModelGraph) {
        for use in graph.uses { roles[use.weight] = use.role.description }
        for node in graph.graphs.flatMap(\.nodes) {
            if case .expertLinear(let linear) = node.operation {
                expertCounts[linear.use.weight] = linear.experts
            }
        }
    }

    /// The role in the graph; of norms, biases and tables the name without its numbers: `text.block.*.norm1.weight`.
    func role(of name: String) -> String {
        if let role = roles[name] { return role }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
    }

    /// Experts that share a weight; 1 for all others.
    func experts(of name: String) -> Int { max(1, expertCounts[name] ?? 1) }
}
