import GraphIR
import Storage

/// How the rows of a layer are normalised.
enum NormKind {
    /// By their length.
    case rms
    /// By their mean and variance, with a bias.
    case layer
}

/// The layers that every generation is made of, with their weights declared as they are used.
extension ModelGraphBuilder {
    /// x Wᵀ + b with weights `<weights>.weight` [N, K] and `<weights>.bias` [N].
    mutating func linear(
        _ x: Graph.ValueID, _ weights: String, _ role: String, _ extents: [Int], bias: Bool = true,
        block: Int? = nil, name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", extents)
        let bias = bias ? try self.weight("\(weights).bias", [extents[0]]) : nil
        return try add(.linear(.init(.init(weight, Role(role), block: block), bias: bias)), x, name: name)
    }

    /// A normalisation with weights `<weights>.weight` and, for a layer norm, `<weights>.bias`.
    mutating func norm(
        _ kind: NormKind, _ x: Graph.ValueID, _ weights: String, _ width: Int, epsilon: Double,
        name: String? = nil
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", [width])
        switch kind {
        case .rms: return try add(.rmsNorm(.init(weight: weight, epsilon: epsilon)), x, name: name)
        case .layer:
            let bias = try self.weight("\(weights).bias", [width])
            return try add(.layerNorm(.init(weight: weight, bias: bias, epsilon: epsilon)), x, name: name)
        }
    }

    /// An RMS norm of each of `heads` parts of `width` columns.
    mutating func headNorm(
        _ x: Graph.ValueID, _ weights: String, heads: Int, _ width: Int, epsilon: Double
    ) throws(Failure) -> Graph.ValueID {
        let weight = try weight("\(weights).weight", [width])
        return try add(.rmsNorm(.init(weight: weight, epsilon: epsilon, heads: heads)), x)
    }

    /// Adds the graph `head`, whose weight is the embedding or its own.
    mutating func addHead(embedding: String?, vocabulary: Int, width: Int) throws(Failure) {
        try begin("head")
        let hidden = try input("hidden", .rows(.symbol(.outputs), width))
        let weight =
            if let embedding { embedding } else { try self.weight("text.head.weight", [vocabulary, width]) }
        try output(try add(.linear(.init(.init(weight, Role("text.head")))), hidden, name: "logits"))
    }
}
