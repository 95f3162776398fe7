internal import Storage

/// 8-bit floats as DeepSeek and Qwen publish them: `weight` E4M3 [N, K] and `weight_scale_inv` for blocks, or `weight_scale` for
/// rows or for all.
struct FineGrainedFP8: WeightFormat {
    static let title = "FP8"
    static let methods = ["fp8"]

    /// Which of them a module has is told by the shapes of its tensors.
    private let scales: [Float8Scales]
    private let suffix: String
    var suffixes: [String] { [suffix] }

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard let keys = checkpoint.statement(of: Self.methods) else { return nil }
        guard try keys.word("fmt", default: "e4m3") == "e4m3" else { throw keys.unsupported("fmt", "e4m3") }
        // Scales of activations are of no use here: they are found anew for each token.
        guard try ["dynamic", "static"].contains(keys.word("activation_scheme", default: "dynamic")) else {
            throw keys.unsupported("activation_scheme", "dynamic and static")
        }
        try self.init(keys)
    }

    /// Another tool's statement that its tensors are such.
    init(_ keys: QuantizationKeys) throws(Failure) {
        if keys.has("weight_block_size") {
            (scales, suffix) = ([try keys.blocks("weight_block_size")], "weight_scale_inv")
        } else if keys.json["group_size"]?.ints?.count == 2 {
            (scales, suffix) = ([try keys.blocks("group_size")], "weight_scale_inv")
        } else {
            (scales, suffix) = ([.tensor, .rows], "weight_scale")
        }
    }

    func module(of tensor: SourceTensor) -> String? {
        tensor.type == .float8 ? tensor.module("weight") : nil
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        try tensors.firstFit(scales) { (tensors, scales) throws(Failure) in
            try tensors.float8(scales, suffix: suffix)
        }
    }
}
