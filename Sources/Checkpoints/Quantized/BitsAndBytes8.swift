internal import Storage

/// bitsandbytes with 8 bits (LLM.int8): `weight` of signed bytes [N, K], `SCB` [N], the largest magnitude of each row, and
/// `weight_format`.
struct BitsAndBytes8: WeightFormat {
    static let title = "bitsandbytes int8"
    static let methods = ["bitsandbytes"]
    let suffixes = ["SCB", "weight_format"]

    /// What the library has for 1/127.
    private static let step: Float = 0.007874015718698502

    /// The configuration says what was asked for, the tensors what was done.
    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard
            checkpoint.statement(of: Self.methods) != nil
                || (checkpoint.isSilent && checkpoint.hasTensor(".SCB"))
        else { return nil }
    }

    func module(of tensor: SourceTensor) -> String? {
        tensor.type == .int8 ? tensor.module("weight") : nil
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        let (rows, columns) = try tensors.main.matrix()
        let scales = try tensors.take("SCB", [.float32])
        try scales.requireShape([rows])
        if let format = try tensors.takeOptional("weight_format", [.uint8]) {
            guard format.data.bytes.allSatisfy({ $0 == 0 }) else {
                throw format.failure(
                    "says that the codes are not in the order of rows, which there is no reader for")
            }
        }
        return try PackedWeight(
            tensors, [rows, columns], kind: "bitsandbytes int8 codes",
            PackedWeight.Parts(
                values: .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: 8, rows: .separate(columns), columns: .separate(1),
                    isSigned: true),
                offset: .zero(128), scales: ScaleMatrix(scales, rowStride: 1),
                groups: .consecutive(columns), groupCount: 1, factors: .all(Self.step)))
    }
}
