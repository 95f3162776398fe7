internal import Storage

/// NVIDIA's TensorRT Model Optimizer: FP8, NVFP4, and AWQ with 4-bit codes.
struct ModelOpt: WeightFormat {
    static let title = "modelopt"
    static let methods = ["modelopt"]
    let suffixes = ["weight_scale", "weight_scale_2", "pre_quant_scale"]

    private enum Algorithm: String {
        case float8 = "FP8"
        case awq = "W4A16_AWQ"
        case nvfp4 = "NVFP4"
        case nvfp4Alone = "W4A16_NVFP4"
        case nvfp4AWQ = "NVFP4_AWQ"
    }

    private let algorithm: Algorithm

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        // hf_quant_config.json names the algorithm alone.
        let alone = checkpoint.isSilent && checkpoint.statement?.has("quant_algo") == true
        guard let keys = checkpoint.statement(of: Self.methods) ?? (alone ? checkpoint.statement : nil) else {
            return nil
        }
        guard let algorithm = Algorithm(rawValue: try keys.word("quant_algo")) else {
            throw keys.unsupported("quant_algo", "FP8, W4A16_AWQ, NVFP4, W4A16_NVFP4 and NVFP4_AWQ")
        }
        self.algorithm = algorithm
    }

    func module(of tensor: SourceTensor) -> String? {
        tensor.type == (algorithm == .float8 ? .float8 : .uint8) ? tensor.module("weight") : nil
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        switch algorithm {
        case .float8: return try tensors.float8(.tensor, suffix: "weight_scale")
        case .awq: return try awq(&tensors)
        case .nvfp4, .nvfp4Alone, .nvfp4AWQ:
            let common = try tensors.take("weight_scale_2", [.float32]).scalar()
            // One that smooths would have to multiply the weights after they are scaled.
            if let factors = try tensors.takeOptional("pre_quant_scale", SourceTensor.scaleTypes) {
                throw factors.failure("scales the columns of NVFP4 weights, which there is no reader for")
            }
            return try tensors.nvfp4(suffix: "weight_scale", .times(common))
        }
    }

    /// `weight` U8 [N/2, K]: rows 2i in the low halves and 2i+1 in the high ones, two's complements; `weight_scale` [N, groups];
    /// `pre_quant_scale` [K], by which inputs are multiplied.
    private func awq(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        let (half, columns) = try tensors.main.matrix()
        let (rows, overflow) = half.multipliedReportingOverflow(by: 2)
        guard !overflow else { throw tensors.main.failure("has the impossible shape \(tensors.main.shape)") }
        let scales = try tensors.take("weight_scale", SourceTensor.scaleTypes)
        let (scaled, groups) = try scales.matrix()
        guard scaled == rows, columns % groups == 0 else {
            throw scales.failure("has shape \(scales.shape), which does not divide [\(rows), \(columns)]")
        }
        let factors = try tensors.takeOptional("pre_quant_scale", SourceTensor.scaleTypes)
        try factors?.requireShape([columns])
        return try PackedWeight(
            tensors, [rows, columns], kind: "modelopt AWQ codes",
            PackedWeight.Parts(
                values: .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: 4, rows: .nibbles(stride: columns), columns: .separate(1),
                    isSigned: true),
                offset: .zero(8), scales: ScaleMatrix(scales, rowStride: groups),
                groups: .consecutive(columns / groups), groupCount: groups,
                factors: factors.map { .columns($0) } ?? .none))
    }
}
