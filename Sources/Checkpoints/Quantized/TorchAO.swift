internal import Storage

/// torchao in safetensors: `_weight_qdata` [N, K] of signed bytes or 8-bit floats, `_weight_scale` [N, groups], `_weight_zero_point`.
struct TorchAO: WeightFormat {
    static let title = "torchao"
    static let methods = ["torchao"]
    let suffixes = ["_weight_qdata", "_weight_scale", "_weight_zero_point"]

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard
            checkpoint.statement(of: Self.methods) != nil
                || (checkpoint.isSilent && checkpoint.hasTensor("._weight_qdata"))
        else { return nil }
    }

    func module(of tensor: SourceTensor) -> String? { tensor.module("_weight_qdata") }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        try tensors.main.require([.int8, .float8])
        let isFloat = tensors.main.type == .float8
        let (rows, columns) = try tensors.main.matrix()
        let scales = try tensors.take("_weight_scale", SourceTensor.scaleTypes)
        let (scaled, groups) = try scales.matrix()
        guard scaled == rows || (scaled == 1 && groups == 1), columns % groups == 0 else {
            throw scales.failure("has shape \(scales.shape), which does not divide [\(rows), \(columns)]")
        }
        let zeros = isFloat ? nil : try tensors.takeOptional("_weight_zero_point", [.int8])
        try zeros?.requireShape([scaled, groups])
        let isShared = scaled != rows
        return try PackedWeight(
            tensors, [rows, columns], kind: isFloat ? "torchao float8 codes" : "torchao int8 codes",
            PackedWeight.Parts(
                values: isFloat ? .float8 : .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: 8, rows: .separate(columns), columns: .separate(1),
                    isSigned: !isFloat),
                offset: zeros.map {
                    .zeros(
                        CodeMatrix(
                            tensor: $0, bits: 8, rows: .separate(isShared ? 0 : groups),
                            columns: .separate(1),
                            isSigned: true))
                } ?? .zero(isFloat ? 0 : 128),
                scales: ScaleMatrix(scales, rowStride: groups, rowBlock: isShared ? rows : 1),
                groups: .consecutive(columns / groups), groupCount: groups))
    }
}
