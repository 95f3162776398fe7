internal import Storage

/// How MLX's tools left the tensors of a checkpoint.
///
/// They rename them, move the channels of convolutions to the end and, of a model whose norms multiply by 1 + w, store the whole of it.
/// Whether they did the last no tensor says; they do it together with the second.
struct MLXLayout {
    /// Whether names are MLX's.
    let isRenamed: Bool
    /// Whether the channels of convolutions come last.
    let isMoved: Bool

    /// What the names of a vision tower begin with.
    static let tower = "vision_tower."

    /// - Throws: `.badInput` naming both, when one of names, config.json and the axes of convolutions tells of MLX and another does not.
    init(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        isRenamed = Self.isRenamed(checkpoint)
        let kernels = checkpoint.checkpoint.tensors.filter {
            $0.name.hasSuffix(".conv1d.weight") && $0.shape.rank == 3
        }
        guard let first = kernels.first else {
            isMoved = isRenamed
            return
        }
        isMoved = Self.isMoved(first)
        if let other = kernels.first(where: { Self.isMoved($0) != isMoved }) {
            throw other.failure(
                "has shape \(other.shape), but '\(first.name)' \(first.shape): one lies as published, and one as in MLX"
            )
        }
        let sign = isRenamed ? "names begin with '\(Self.tower)'" : "config.json has 'quantization'"
        guard isMoved || (!isRenamed && !checkpoint.isSilent) else {
            throw first.failure(
                "has shape \(first.shape), as published, but \(sign), as MLX's tools write it: whether norms have 1 added to them cannot be told",
                remedy: "convert the published checkpoint instead")
        }
    }

    /// Whether names are MLX's.
    static func isRenamed(_ checkpoint: QuantizedCheckpoint) -> Bool {
        checkpoint.checkpoint.names.contains { $0.hasPrefix(tower) }
    }

    /// Whether a depthwise kernel is [channels, taps, 1], not [channels, 1, taps].
    private static func isMoved(_ kernel: SourceTensor) -> Bool { kernel.shape.extents[2] == 1 }

    /// A tensor with the axes that are published.
    func restored(_ tensor: SourceTensor, named name: String) -> StoredWeight {
        let extents = tensor.shape.extents
        if isRenamed, extents.count == 5 { return StoredWeight(ChannelsLastWeight(tensor, name: name)) }
        guard isMoved, extents.count == 3, extents[2] == 1, name.hasSuffix(".conv1d.weight") else {
            return StoredWeight(tensor, named: name)
        }
        // With one channel to a kernel, its elements are in the same order.
        return StoredWeight(
            SourceTensor(
                name: tensor.name, type: tensor.type, shape: tensor.shape.permuted([0, 2, 1]),
                data: tensor.data), named: name)
    }
}
