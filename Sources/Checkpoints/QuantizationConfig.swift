public import GroupFormats
public import Storage

/// How a published checkpoint was quantized, by `quantization_config` of its `config.json`.
public struct QuantizationConfig: Equatable, Sendable {
    /// What its packed weights are made of.
    public let scheme: Scheme

    /// The ways of packing that there is a reader for.
    public enum Scheme: Equatable, Sendable {
        /// AutoGPTQ and its successors: words along K. `zerosLessOne` when zero points are stored so; `reordered` when the
        /// columns of a group were chosen by activation order.
        case gptq(Codes, zerosLessOne: Bool, reordered: Bool)
        /// AutoAWQ's GEMM layout: words of eight interleaved 4-bit codes along N.
        case awq(groupSize: GroupSize)
        /// compressed-tensors `pack-quantized`: words along K, offset codes.
        case packed(Codes, symmetric: Bool)
        /// compressed-tensors `int-quantized`: signed bytes.
        case bytes(GroupSize, symmetric: Bool)
        /// 8-bit floats (e4m3); `suffix` names the tensor of their scales.
        case float8(Float8Scales, suffix: String)
    }

    /// Integer codes.
    public struct Codes: Equatable, Sendable {
        /// Bits a code takes.
        public let bits: GroupFormat.Bits
        /// Codes of a row that share a scale.
        public let groupSize: GroupSize

        /// Codes of so many bits in groups of that size.
        public init(_ bits: GroupFormat.Bits, _ groupSize: GroupSize) {
            self.bits = bits
            self.groupSize = groupSize
        }
    }

    /// How many codes of a row share a scale.
    public enum GroupSize: Equatable, Sendable {
        case columns(Int)
        case wholeRow

        /// For rows of `columns` codes.
        func count(columns: Int) -> Int {
            switch self {
            case .columns(let count): count
            case .wholeRow: columns
            }
        }
    }

    /// What shares a scale in a matrix of 8-bit floats.
    public enum Float8Scales: Equatable, Sendable {
        case blocks(rows: Int, columns: Int)
        case rows
        case tensor
    }

    /// Reads the value of `quantization_config`.
    /// - Parameter file: where it stands, for messages.
    /// - Throws: `.badInput` naming the key whose value is missing, impossible, or of a scheme that there is no reader for.
    public init(_ json: JSON, file: String = "config.json") throws(Failure) {
        let reader = QuantizationKeys(json, file: file)
        let method = try reader.word("quant_method")
        switch method {
        case "gptq": scheme = try Self.gptq(reader)
        case "awq": scheme = try Self.awq(reader)
        case "compressed-tensors": scheme = try Self.compressedTensors(reader)
        case "fp8": scheme = try Self.float8(reader)
        default:
            throw reader.unsupported("quant_method", "gptq, awq, compressed-tensors and fp8")
        }
    }

    private static func gptq(_ keys: QuantizationKeys) throws(Failure) -> Scheme {
        // Newer writers call it `format`; the first had none.
        let formatKey = keys.has("checkpoint_format") ? "checkpoint_format" : "format"
        let format = try keys.word(formatKey, default: "gptq")
        guard ["gptq", "gptq_v2"].contains(format) else {
            throw keys.unsupported(formatKey, "gptq and gptq_v2")
        }
        guard try keys.word("pack_dtype", default: "int32") == "int32" else {
            throw keys.unsupported("pack_dtype", "int32")
        }
        guard try !keys.flag("is_marlin_format", default: false) else {
            throw keys.unsupported("is_marlin_format", "false")
        }
        _ = try keys.flag("sym", default: true)  // the zero points are stored either way
        return .gptq(
            try codes(keys), zerosLessOne: format == "gptq",
            reordered: try keys.flag("desc_act", default: false))
    }

    private static func awq(_ keys: QuantizationKeys) throws(Failure) -> Scheme {
        let versionKey =
            ["version", "checkpoint_format", "format"].first { keys.has($0) } ?? "version"
        guard try keys.word(versionKey, default: "gemm").lowercased() == "gemm" else {
            throw keys.unsupported(versionKey, "gemm")
        }
        let codes = try codes(keys)
        guard codes.bits == .four else { throw keys.unsupported("bits", "4 bits") }
        _ = try keys.flag("zero_point", default: true)  // the zero points are stored either way
        return .awq(groupSize: codes.groupSize)
    }

    private static func codes(_ keys: QuantizationKeys) throws(Failure) -> Codes {
        guard let bits = GroupFormat.Bits(rawValue: try keys.int("bits")), [.four, .eight].contains(bits)
        else {
            throw keys.unsupported("bits", "4 and 8 bits")
        }
        return Codes(bits, try keys.groupSize("group_size"))
    }

    private static func float8(_ keys: QuantizationKeys) throws(Failure) -> Scheme {
        guard try keys.word("fmt", default: "e4m3") == "e4m3" else { throw keys.unsupported("fmt", "e4m3") }
        guard try keys.word("activation_scheme", default: "dynamic") == "dynamic" else {
            throw keys.unsupported("activation_scheme", "dynamic")
        }
        guard keys.has("weight_block_size") else { return .float8(.tensor, suffix: "weight_scale") }
        return .float8(try keys.blocks("weight_block_size"), suffix: "weight_scale_inv")
    }
}

extension QuantizationConfig {
    private static func compressedTensors(_ keys: QuantizationKeys) throws(Failure) -> Scheme {
        for key in ["transform_config", "sparsity_config"] {
            // Weights of a transformed model need their inputs transformed too; sparse ones lie elsewhere.
            if let members = keys.json[key]?.members, !members.isEmpty, keys.json[key]?["format"] != "dense" {
                throw keys.unsupported(key, "an empty one")
            }
        }
        let groups = try keys.groups("config_groups")
        guard let group = groups.first, groups.dropFirst().allSatisfy({ $0.agrees(with: group) }) else {
            throw keys.failure("config_groups", "differ from each other; one scheme for all is supported")
        }
        if let inputs = try group.object("input_activations"),
            try !inputs.flag("dynamic", default: false)
        {
            throw inputs.unsupported("dynamic", "true")
        }
        let weights = try group.required("weights")
        let formats = group.has("format") ? group : keys
        let format = try formats.word("format")
        let symmetric = try weights.flag("symmetric", default: true)
        let isFloat = try weights.word("type", default: "int") == "float"
        switch (format, isFloat) {
        case ("pack-quantized", false):
            guard let bits = GroupFormat.Bits(rawValue: try weights.int("num_bits")),
                [.four, .eight].contains(bits)
            else {
                throw weights.unsupported("num_bits", "4 and 8 bits")
            }
            return .packed(Codes(bits, try rowGroups(weights)), symmetric: symmetric)
        case ("int-quantized", false), ("naive-quantized", false):
            guard try weights.int("num_bits") == 8 else { throw weights.unsupported("num_bits", "8 bits") }
            return .bytes(try rowGroups(weights), symmetric: symmetric)
        case ("float-quantized", true), ("naive-quantized", true):
            guard try weights.int("num_bits") == 8 else { throw weights.unsupported("num_bits", "8 bits") }
            return .float8(try float8Scales(weights), suffix: "weight_scale")
        default:
            throw formats.unsupported(
                "format", "pack-quantized and int-quantized integers and float-quantized floats")
        }
    }

    private static func strategy(_ weights: QuantizationKeys) throws(Failure) -> String {
        // As compressed-tensors has it: without a word the size of the groups decides.
        let fallback = weights.json["group_size"]?.int.map { $0 > 0 ? "group" : "channel" } ?? "tensor"
        return try weights.word("strategy", default: fallback)
    }

    private static func rowGroups(_ weights: QuantizationKeys) throws(Failure) -> GroupSize {
        switch try strategy(weights) {
        case "group": return try weights.groupSize("group_size")
        case "channel": return .wholeRow
        default: throw weights.unsupported("strategy", "group and channel")
        }
    }

    private static func float8Scales(_ weights: QuantizationKeys) throws(Failure) -> Float8Scales {
        switch try strategy(weights) {
        case "block": return try weights.blocks("block_structure")
        case "channel": return .rows
        case "tensor": return .tensor
        default: throw weights.unsupported("strategy", "block, channel and tensor")
        }
    }
}
