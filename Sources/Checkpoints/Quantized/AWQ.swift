internal import GroupFormats
internal import Storage

/// AutoAWQ's GEMM layout: `qweight` [K, N/8], words of eight interleaved 4-bit codes along N; `qzeros` [groups, N/8]; `scales`
/// [groups, N].
struct AWQ: WeightFormat {
    static let title = "AWQ"
    static let methods = ["awq"]
    let suffixes = ["qweight", "qzeros", "scales", "g_idx"]

    /// Of all modules; which of them a module has is told by the shapes of its tensors.
    let groupSizes: [GroupSize]

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        let gptqmodel = checkpoint.statement(of: GPTQ.methods)
        guard
            let keys = checkpoint.statement(of: Self.methods)
                ?? (gptqmodel?.json["method"] == "awq" ? gptqmodel : nil)
        else { return nil }
        let versionKey = ["version", "checkpoint_format", "format"].first { keys.has($0) } ?? "version"
        guard try keys.word(versionKey, default: "gemm").lowercased() == "gemm" else {
            throw keys.unsupported(versionKey, "gemm")
        }
        guard try keys.bits(keys.has("bits") ? "bits" : "w_bit", 2...8) == 4 else {
            throw keys.unsupported("bits", "4 bits")
        }
        groupSizes = [try keys.groupSize(keys.has("group_size") ? "group_size" : "q_group_size")]
        _ = try keys.flag("zero_point", default: true)  // the zero points are stored either way
    }

    /// Another tool's statement that its tensors are such.
    init(_ groupSizes: [GroupSize]) { self.groupSizes = groupSizes }

    func module(of tensor: SourceTensor) -> String? { tensor.module("qweight") }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        try tensors.firstFit(groupSizes) { (tensors, groupSize) throws(Failure) in
            try tensors.main.require([.int32])
            let (columns, words) = try tensors.main.matrix()
            let (size, rows) = (groupSize.count(columns: columns), words * 8)
            let groups = groupCount(columns, size)
            let zeros = try tensors.take("qzeros", [.int32])
            try zeros.requireShape([groups, words])
            let scales = try tensors.take("scales", SourceTensor.scaleTypes)
            try scales.requireShape([groups, rows])
            func matrix(_ tensor: SourceTensor) -> CodeMatrix {
                CodeMatrix(
                    tensor: tensor, bits: 4, rows: .interleavedWords(stride: 4), columns: .separate(4 * words)
                )
            }
            return try PackedWeight(
                tensors, [rows, columns], kind: "AWQ codes",
                PackedWeight.Parts(
                    values: .integers, codes: matrix(tensors.main), offset: .zeros(matrix(zeros)),
                    scales: ScaleMatrix(scales, rowStride: 1, groupStride: rows), groups: .consecutive(size),
                    groupCount: groups))
        }
    }
}
