internal import Storage

/// What auto-round writes in forms of its own: mostly the tensors of other tools, with its own word for which.
struct AutoRound: WeightFormat {
    static let title = "auto-round"
    static let methods = ["auto-round", "intel/auto-round"]

    private let inner: any WeightFormat

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard let keys = checkpoint.statement(of: Self.methods) else { return nil }
        let packing = try keys.word("packing_format", default: "auto_round")
        let type = try keys.word("data_type", default: "int")
        switch packing.hasPrefix("auto_round:") ? String(packing.dropFirst(11)) : packing {
        case "mlx": return nil
        case _ where type.hasPrefix("mx_") || type.hasPrefix("nv_"), "llm_compressor":
            inner = try CompressedTensors(autoRound: keys)
        case "fp8", "fp8_static", "fp8_block": inner = try FineGrainedFP8(keys)
        // Zero points as they are, where GPTQ takes 1 from each.
        case "auto_round", "gptqmodel": inner = GPTQ(try Self.schemes(keys), zeros: .asTheyAre)
        case "auto_gptq", "gptq": inner = GPTQ(try Self.schemes(keys), zeros: .lessOne)
        case "auto_awq", "awq": inner = AWQ(try Self.schemes(keys).map(\.groupSize))
        default:
            throw keys.unsupported(
                "packing_format",
                "auto_round, and auto_round: with gptqmodel, auto_gptq, auto_awq, fp8, mlx and llm_compressor"
            )
        }
    }

    /// The scheme of all modules, and those that `extra_config` names for some: { module: { what differs } }.
    private static func schemes(_ keys: QuantizationKeys) throws(Failure) -> [GPTQ.Scheme] {
        var schemes = [
            GPTQ.Scheme(bits: try keys.bits("bits", 2...8), groupSize: try keys.groupSize("group_size"))
        ]
        guard let extra = try keys.object("extra_config") else { return schemes }
        for member in extra.json.members ?? [] {
            let own = try extra.required(member.key)
            let bits = own.has("bits") ? try own.bits("bits", 2...32) : schemes[0].bits
            let size = own.has("group_size") ? try own.groupSize("group_size") : schemes[0].groupSize
            // Modules of 16 bits are plain.
            guard bits <= 8 else { continue }
            if !schemes.contains(where: { $0.bits == bits && $0.groupSize == size }) {
                schemes.append(GPTQ.Scheme(bits: bits, groupSize: size))
            }
        }
        return schemes
    }

    var suffixes: [String] { inner.suffixes }
    func module(of tensor: SourceTensor) -> String? { inner.module(of: tensor) }
    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        try inner.weight(&tensors)
    }
    func plain(_ tensor: SourceTensor) throws(Failure) -> StoredWeight { try inner.plain(tensor) }
}
