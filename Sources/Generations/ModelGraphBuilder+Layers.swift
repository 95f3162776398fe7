import GraphIR
import Storage

/// The layers that every generation is made of, with their weights declared as they are used.
extension ModelGraphBuilder {
    /// x Wᵀ + b with weights `<weights>.weight` [N, K] and `<weights>.bias` [N].
    mutating func linear(
        _ x: Graph.ValueID, _ weights: String, _ role: String, _ extents: [Int], bias: Bool = true,
        block: Int? = nil, name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", extents)
        let bias = bias ? try self.weight("\(weights).bias", [extents[0]]) : nil
        return try add(.linear(.init(weight, Role(role), block: block), bias: bias), x, name: name)
    }

    /// A normalisation with weights `<weights>.weight` and, for a layer norm, `<weights>.bias`.
    mutating func norm(
        _ kind: Operation.Norm.Kind, _ x: Graph.ValueID, _ weights: String, _ width: Int, epsilon: Double,
        name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", [width])
        let bias = kind == .layer ? try self.weight("\(weights).bias", [width]) : nil
        return try add(.norm(.init(kind, weight: weight, bias: bias, epsilon: epsilon)), x, name: name)
    }

    /// An RMS norm of each of `heads` parts of `width` columns.
    mutating func headNorm(
        _ x: Graph.ValueID, _ weights: String, heads: Int, _ width: Int, epsilon: Double
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", [width])
        return try add(.norm(.init(.rms, weight: weight, epsilon: epsilon, heads: heads)), x)
    }

    /// Adds the graph `head`, whose weight is the embedding or its own.
    mutating func addHead(embedding: String?, vocabulary: Int, width: Int) throws(Failure) {
        try begin("head")
        let hidden = try input("hidden", .rows(.symbol(.outputs), width))
        let weight =
            if let embedding { embedding } else { try self.weight("text.head.weight", [vocabulary, width]) }
        try output(try add(.linear(.init(weight, Role("text.head")), bias: nil), hidden, name: "logits"))
    }
}
