internal import Storage

/// A way in which a tool stores quantized weights: how its checkpoints are recognised, which tensors it reads, and how a weight
/// comes out of them.
protocol WeightFormat: Sendable {
    /// What it is called, for people.
    static var title: String { get }
    /// What `quant_method` says of it; empty for one that writes none.
    static var methods: [String] { get }

    /// The format of a checkpoint, as its configuration states it or its tensors show it; nil when it is another's.
    /// - Throws: `.badInput` when it is this format with settings that there is no reader for.
    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure)

    /// The module whose codes `tensor` holds; nil when it holds none.
    func module(of tensor: SourceTensor) -> String?

    /// The weight of a module.
    /// - Throws: `.badInput` when a tensor is missing, misshapen or of a wrong type.
    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight

    /// What the names of the tensors of packed weights end in: one that no packed weight has taken is an error.
    var suffixes: [String] { get }

    /// A tensor that is no part of a packed weight.
    func plain(_ tensor: SourceTensor) throws(Failure) -> StoredWeight

    /// Whether norms that multiply by 1 + w hold the whole of it.
    var hasWholeNorms: Bool { get }
}

extension WeightFormat {
    /// As published.
    var hasWholeNorms: Bool { false }

    /// As it is.
    func plain(_ tensor: SourceTensor) -> StoredWeight { StoredWeight(tensor) }
}

/// Every format that there is a reader for; the one list of them.
enum WeightFormats {
    static let all: [any WeightFormat.Type] = [
        GPTQ.self, AWQ.self, AutoRound.self, CompressedTensors.self, ModelOpt.self, FineGrainedFP8.self,
        BitsAndBytes4.self, BitsAndBytes8.self, TorchAO.self, MLX.self,
    ]

    /// The format of a checkpoint; nil when it is of full precision.
    /// - Throws: `.badInput` when it is quantized in a way that there is no reader for.
    static func format(of checkpoint: QuantizedCheckpoint) throws(Failure) -> (any WeightFormat)? {
        for type in all { if let format = try type.init(checkpoint) { return format } }
        guard let statement = checkpoint.statement else {
            try refuseUnstated(checkpoint)
            return nil
        }
        let method = try statement.word("quant_method")
        let names = all.flatMap { $0.methods }
        let known = names.enumerated().filter { !names[..<$0].contains($1) }.map(\.element).joined(
            separator: ", ")
        let tool = others[method].map { " (\($0))" } ?? ""
        throw statement.failure(
            "quant_method", "is \"\(method)\"\(tool), which there is no reader for",
            remedy: "supported: \(known), and MLX's; convert the model in full precision instead")
    }

    /// Refuses tensors of a tool whose configuration is missing: nothing else says what they mean.
    private static func refuseUnstated(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        for tensor in checkpoint.checkpoint.tensors {
            guard let mark = marks.first(where: { tensor.name.hasSuffix($0.suffix) }) else { continue }
            throw tensor.failure(
                "is of a model that \(mark.tool) quantized, but config.json has no quantization_config",
                remedy: "copy config.json from where the model was published")
        }
    }

    /// What names of tensors end in, and who writes such.
    private static let marks: [(suffix: String, tool: String)] = [
        (".qweight", "GPTQ or AWQ"), (".weight_packed", "compressed-tensors"), (".weight_scale_inv", "FP8"),
        (".W_q", "HQQ"), (".q_weight", "ExLlamaV2"), (".trellis", "ExLlamaV3"), (".codebooks", "AQLM"),
        ("._data", "optimum-quanto"), (".weight_scale", "compressed-tensors or modelopt"),
    ]

    /// Tools whose formats have no reader, by what they write as `quant_method`.
    private static let others = [
        "aqlm": "AQLM", "bitnet": "BitNet", "eetq": "EETQ", "exl2": "ExLlamaV2", "exl3": "ExLlamaV3",
        "fbgemm_fp8": "FBGEMM", "fp_quant": "FP-Quant", "higgs": "HIGGS", "hqq": "HQQ",
        "mxfp4": "MXFP4 as OpenAI publishes it", "quanto": "optimum-quanto", "quark": "AMD Quark",
        "sinq": "SINQ", "spqr": "SpQR", "vptq": "VPTQ",
    ]
}
