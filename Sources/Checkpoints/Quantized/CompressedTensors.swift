internal import Storage

/// compressed-tensors, as llm-compressor writes it: groups of modules, each with a scheme of its own.
struct CompressedTensors: WeightFormat {
    static let title = "compressed-tensors"
    static let methods = ["compressed-tensors"]
    let suffixes = [
        "weight_packed", "weight_shape", "weight_scale", "weight_zero_point", "weight_g_idx",
        "weight_global_scale",
    ]

    /// What the weights of a group of modules are.
    enum Scheme {
        /// `weight_packed`, words along K of offset codes.
        case packed(bits: Int, GroupSize, symmetric: Bool)
        /// `weight` of signed bytes.
        case bytes(GroupSize, symmetric: Bool)
        case float8(Float8Scales)
        case mxfp4, mxfp8, nvfp4
    }

    /// Which of them a module has is told by its tensors.
    private let schemes: [Scheme]
    /// Whether codes of 3, 5, 6 and 7 bits fill words without a gap, as they do since 0.19; nil when no version is stated.
    private let isDense: Bool?

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard let keys = checkpoint.statement(of: Self.methods) else { return nil }
        for key in ["transform_config", "sparsity_config"] {
            // Weights of a transformed model need their inputs transformed too; sparse ones lie elsewhere.
            if let members = keys.json[key]?.members, !members.isEmpty, keys.json[key]?["format"] != "dense" {
                throw keys.unsupported(key, "an empty one")
            }
        }
        var schemes: [Scheme] = []
        for group in try keys.groups("config_groups") {
            let own = group.has("format") && group.json["format"] != "mixed-precision"
            schemes.append(try Self.scheme(try group.required("weights"), own ? group : keys))
        }
        self.schemes = schemes
        isDense = Self.isDense(version: keys.json["version"]?.string)
    }

    /// What auto-round writes under another name.
    init(autoRound keys: QuantizationKeys) throws(Failure) {
        let type = try keys.word("data_type")
        switch (type, try keys.bits("bits", 2...8)) {
        case ("mx_fp", 4): schemes = [.mxfp4]
        case ("mx_fp", 8): schemes = [.mxfp8]
        case ("nv_fp", 4), ("nv_fp4", 4): schemes = [.nvfp4]
        case ("int", let bits):
            schemes = [
                .packed(
                    bits: bits, try keys.groupSize("group_size"),
                    symmetric: try keys.flag("sym", default: true))
            ]
        default: throw keys.unsupported("data_type", "int, and mx_fp and nv_fp of 4 bits")
        }
        isDense = true
    }

    private static func isDense(version: String?) -> Bool? {
        let numbers = (version ?? "").split(separator: ".").prefix(2).map { Int($0) ?? 0 }
        return numbers.count < 2 ? nil : (numbers[0], numbers[1]) >= (0, 19)
    }

    private static func scheme(
        _ weights: QuantizationKeys, _ formats: QuantizationKeys
    ) throws(Failure) -> Scheme {
        let format = try formats.word("format")
        let symmetric = try weights.flag("symmetric", default: true)
        let isFloat = try weights.word("type", default: "int") == "float"
        let bits = try weights.bits("num_bits", 1...32)
        switch (format, isFloat) {
        case ("pack-quantized", false):
            guard (2...8).contains(bits) else { throw weights.unsupported("num_bits", "2 to 8 bits") }
            return .packed(bits: bits, try rowGroups(weights), symmetric: symmetric)
        case ("int-quantized", false), ("naive-quantized", false):
            // Codes of fewer bits are bytes, too.
            guard (2...8).contains(bits) else { throw weights.unsupported("num_bits", "2 to 8 bits") }
            return .bytes(try rowGroups(weights), symmetric: symmetric)
        case ("float-quantized", true), ("naive-quantized", true):
            guard bits == 8 else { throw weights.unsupported("num_bits", "8 bits") }
            return .float8(try float8Scales(weights))
        case ("nvfp4-pack-quantized", true): return .nvfp4
        case ("mxfp4-pack-quantized", true): return .mxfp4
        case ("mxfp8-quantized", true), ("mxfp8-pack-quantized", true): return .mxfp8
        default:
            throw formats.unsupported(
                "format",
                "pack-quantized and int-quantized integers; float-quantized, nvfp4-pack-quantized, mxfp4-pack-quantized "
                    + "and mxfp8-quantized floats")
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

    func module(of tensor: SourceTensor) -> String? {
        if let module = tensor.module("weight_packed") { return module }
        return [.int8, .float8].contains(tensor.type) ? tensor.module("weight") : nil
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        return try tensors.firstFit(schemes) { (tensors, scheme) throws(Failure) in
            switch scheme {
            case .packed(let bits, let size, let symmetric):
                return try packed(&tensors, bits, size, symmetric: symmetric)
            case .bytes(let size, let symmetric):
                return try bytes(&tensors, size, symmetric: symmetric)
            case .float8(let scales): return try tensors.float8(scales, suffix: "weight_scale")
            case .mxfp8: return try tensors.mxfp8(suffix: "weight_scale")
            case .mxfp4: return try tensors.mxfp4(suffix: "weight_scale")
            case .nvfp4:
                let common = try tensors.take("weight_global_scale", [.float32]).scalar()
                return try tensors.nvfp4(suffix: "weight_scale", .over(common))
            }
        }
    }

    /// `weight_packed` [N, words], `weight_shape` [2] = N, K, `weight_scale` [N, groups], `weight_zero_point` [words of N, groups],
    /// `weight_g_idx` [K]. Codes and zero points are offset alike.
    private func packed(
        _ tensors: inout PackedTensors, _ bits: Int, _ groupSize: GroupSize, symmetric: Bool
    ) throws(Failure) -> any DerivedWeight {
        try tensors.main.require([.int32])
        let (rows, words) = try tensors.main.matrix()
        let stated = try tensors.take("weight_shape", [.int64, .int32])
        try stated.requireShape([2])
        let (statedRows, columns) = (stated.integer(0), stated.integer(1))
        guard statedRows == rows, columns > 0, columns <= words * 32 / bits + 32,
            let along = axis(bits, columns, words: words)
        else {
            throw stated.failure(
                "says [\(statedRows), \(columns)], which does not fit \(tensors.main.shape) words")
        }
        let size = groupSize.count(columns: columns)
        let groups = groupCount(columns, size)
        let scales = try tensors.take("weight_scale", SourceTensor.scaleTypes)
        try scales.requireShape([rows, groups])
        try checkUnambiguous(tensors.main, bits, columns: columns, words: words, groups: groups)
        let order = try tensors.takeOptional("weight_g_idx", [.int32])
        let zeros = try zeros(&tensors, [.int32], symmetric: symmetric)
        return try PackedWeight(
            tensors, [rows, columns], kind: "int\(bits) codes",
            PackedWeight.Parts(
                values: .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: bits, rows: .separate(4 * words), columns: along(4)),
                offset: try zeros.map { (zeros) throws(Failure) in
                    let (height, width) = try zeros.matrix()
                    guard width == groups, let along = axis(bits, rows, words: height) else {
                        throw zeros.failure(
                            "has shape \(zeros.shape), which does not fit [\(rows), \(groups)]")
                    }
                    return .zeros(
                        CodeMatrix(tensor: zeros, bits: bits, rows: along(4 * groups), columns: .separate(4)))
                } ?? .zero(1 << UInt8(bits - 1)),
                scales: ScaleMatrix(scales, rowStride: groups),
                groups: try PackedWeight.Groups(order, columns: columns, groupSize: size, count: groups),
                groupCount: groups))
    }

    /// How `count` codes lie in so many words; nil when they do not.
    private func axis(_ bits: Int, _ count: Int, words: Int) -> ((_ stride: Int) -> CodeAxis)? {
        let dense = words == groupCount(count * bits, 32)
        let padded = words == groupCount(count, 32 / bits)
        // Without a version the width tells.
        if dense, isDense ?? true { return { .stream(bits, stride: $0) } }
        return padded && !(isDense ?? false) ? { .words(bits, stride: $0) } : nil
    }

    /// Refuses tensors that another group's bits would fit as well: which of them they are cannot be told.
    private func checkUnambiguous(
        _ main: SourceTensor, _ bits: Int, columns: Int, words: Int, groups: Int
    ) throws(Failure) {
        for case .packed(let other, let size, _) in schemes where other != bits {
            guard axis(other, columns, words: words) != nil,
                groupCount(columns, size.count(columns: columns)) == groups
            else { continue }
            throw main.failure(
                "could hold codes of \(bits) or of \(other) bits, by the groups of config.json")
        }
    }

    /// `weight` [N, K] and `weight_zero_point` [N, groups] of signed bytes, `weight_scale` [N, groups].
    private func bytes(
        _ tensors: inout PackedTensors, _ groupSize: GroupSize, symmetric: Bool
    ) throws(Failure) -> any DerivedWeight {
        try tensors.main.require([.int8])
        let (rows, columns) = try tensors.main.matrix()
        let size = groupSize.count(columns: columns)
        let groups = groupCount(columns, size)
        let scales = try tensors.take("weight_scale", SourceTensor.scaleTypes)
        try scales.requireShape([rows, groups])
        let zeros = try zeros(&tensors, [.int8], symmetric: symmetric)
        try zeros?.requireShape([rows, groups])
        return try PackedWeight(
            tensors, [rows, columns], kind: "int8 codes",
            PackedWeight.Parts(
                values: .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: 8, rows: .separate(columns), columns: .separate(1),
                    isSigned: true),
                offset: zeros.map {
                    .zeros(
                        CodeMatrix(
                            tensor: $0, bits: 8, rows: .separate(groups), columns: .separate(1),
                            isSigned: true))
                } ?? .zero(128),
                scales: ScaleMatrix(scales, rowStride: groups), groups: .consecutive(size),
                groupCount: groups))
    }

    /// The zero points, which a symmetric weight has none of.
    private func zeros(
        _ tensors: inout PackedTensors, _ types: [ElementType], symmetric: Bool
    ) throws(Failure) -> SourceTensor? {
        guard symmetric else { return try tensors.take("weight_zero_point", types) }
        if let odd = tensors.checkpoint["\(tensors.module).weight_zero_point"] {
            throw odd.failure("belongs to a weight that is said to be symmetric, and to have none")
        }
        return nil
    }
}
