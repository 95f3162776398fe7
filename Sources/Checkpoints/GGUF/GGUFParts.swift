public import Storage

/// How tensors of GGUF files hold a weight.
public struct GGUFParts: Equatable, Sendable {
    /// How several lie in the whole; a single one across an axis gets that axis, of extent 1.
    public var arrangement: PartArrangement
    /// What of them belongs to heads of values, whose order is another one where the weight is published.
    public var headed: ValueHeads.Place?
    /// Whether it is one row, which tools may store as a vector.
    public var isRow = false
    /// Whether they hold −eʷ where w is published.
    public var isNegativeExponential = false

    /// Tensors as they are, one below the other unless another arrangement is given.
    public init(_ arrangement: PartArrangement = .below) { self.arrangement = arrangement }
}

extension StoredWeight {
    /// A weight that tensors of a GGUF file hold, one or several of a kind.
    /// - Parameters:
    ///   - name: as a checkpoint of full precision has it.
    ///   - parts: how they hold it.
    ///   - heads: the model's heads of values, if those of keys are not as many.
    /// - Throws: `.badInput` when their shapes do not fit, when they are not of floats, or vectors of blocks.
    public init(
        _ name: String, of tensors: [GGUFTensor], _ parts: GGUFParts = GGUFParts(), heads: ValueHeads? = nil
    ) throws(Failure) {
        let weights = try tensors.map { (tensor) throws(Failure) in
            let tensor = parts.isRow ? tensor.asRow : tensor
            guard let heads, let place = parts.headed else { return try tensor.weight(named: name) }
            return try tensor.weight(named: name, (heads, place))
        }
        let whole =
            weights.count == 1 && parts.arrangement == .below
            ? weights[0] : StoredWeight(try JoinedWeight(name, weights, parts.arrangement))
        self = parts.isNegativeExponential ? StoredWeight(negativeExponential: whole) : whole
    }
}

extension GGUFTensor {
    /// A vector as a matrix of one row; what is none as it is.
    fileprivate var asRow: GGUFTensor {
        guard shape.rank == 1, let row = Shape.matrix(1, shape.count) else { return self }
        return GGUFTensor(name: name, type: type, shape: row, data: data)
    }
}
