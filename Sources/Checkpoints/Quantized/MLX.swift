internal import Storage

/// What mlx and mlx-vlm write, quantized or not: its own names, convolutions with their channels last, and codes as words of U32
/// with `scales` and, for whole numbers, `biases`.
struct MLX: WeightFormat {
    static let title = "MLX"
    static let methods: [String] = []
    let suffixes = ["scales", "biases"]

    /// What the codes of a module are.
    fileprivate struct Scheme {
        /// Nil where the table of modules states none: then biases tell.
        var mode: Mode?
        var bits: Int
        var groupSize: Int
    }

    fileprivate enum Mode: String {
        case affine, mxfp4, nvfp4, mxfp8
    }

    /// Of modules that have none of their own; nil when nothing is quantized.
    private let scheme: Scheme?
    /// By the names of modules, without what leads to the text.
    private let own: [Substring: Scheme]
    private let layout: MLXLayout
    var hasWholeNorms: Bool { layout.isMoved }

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        let isRenamed = MLXLayout.isRenamed(checkpoint)
        guard checkpoint.mlx != nil || (checkpoint.isSilent && isRenamed) else { return nil }
        layout = try MLXLayout(checkpoint)
        guard let keys = checkpoint.mlx ?? checkpoint.statement else {
            (scheme, own) = (nil, [:])
            return
        }
        let outer = try Self.scheme(keys, Scheme(mode: .affine, bits: 4, groupSize: 64))
        scheme = outer
        var own: [Substring: Scheme] = [:]
        for member in keys.json.members ?? [] where member.value.members != nil {
            own[Self.core(member.key)] = try Self.scheme(try keys.required(member.key), outer)
        }
        self.own = own
    }

    private static func scheme(_ keys: QuantizationKeys, _ outer: Scheme) throws(Failure) -> Scheme {
        var mode: Mode?
        if keys.has("mode") {
            mode = Mode(rawValue: try keys.word("mode"))
            guard mode != nil else { throw keys.unsupported("mode", "affine, mxfp4, nvfp4 and mxfp8") }
        }
        let bits = keys.has("bits") ? try keys.bits("bits", 2...8) : outer.bits
        guard bits != 7, mode == nil || mode == .affine || bits == (mode == .mxfp8 ? 8 : 4) else {
            throw keys.unsupported("bits", "2, 3, 4, 5, 6 and 8 bits, for mxfp4 and nvfp4 4, for mxfp8 8")
        }
        let size = try keys.has("group_size") ? keys.groupSize("group_size") : .columns(outer.groupSize)
        guard case .columns(let size) = size else { throw keys.unsupported("group_size", "a size") }
        return Scheme(mode: mode, bits: bits, groupSize: size)
    }

    /// The mode of a module: its own, or affine where it has biases, or that of all.
    private func mode(_ own: Scheme, _ tensors: PackedTensors) -> Mode {
        let isAffine = tensors.checkpoint["\(tensors.module).biases"] != nil
        return own.mode ?? (isAffine ? .affine : scheme?.mode ?? .affine)
    }

    /// A name without the words that lead to the text's modules, which tools order differently.
    private static func core(_ name: String) -> Substring {
        var rest = name[...]
        while let word = ["language_model.", "model."].first(where: rest.hasPrefix) {
            rest = rest.dropFirst(word.count)
        }
        return rest
    }

    /// What MLX's names begin with, and published ones instead.
    private static let prefixes = [
        (MLXLayout.tower, "model.visual."), ("language_model.model.", "model.language_model."),
        ("language_model.lm_head.", "lm_head."),
    ]

    /// The published name of a module or tensor.
    private func published(_ name: String) -> String {
        guard layout.isRenamed, let prefix = Self.prefixes.first(where: { name.hasPrefix($0.0) }) else {
            return name
        }
        return prefix.1 + name.dropFirst(prefix.0.count)
    }

    func module(of tensor: SourceTensor) -> String? {
        scheme != nil && tensor.type == .uint32 ? tensor.module("weight") : nil
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        guard let scheme = own[Self.core(tensors.module)] ?? scheme else {
            throw tensors.main.failure("is packed, but config.json does not say how")
        }
        tensors.weightName = published("\(tensors.module).weight")
        let main = tensors.main
        let mode = mode(scheme, tensors)
        let isFloat = mode != .affine
        let scales = try tensors.take("scales", isFloat ? [.uint8] : SourceTensor.scaleTypes)
        // Matrices, or those of experts one below the other.
        let outer = Array(main.shape.extents.dropLast())
        guard (2...3).contains(main.shape.rank), main.shape.count > 0, let words = main.shape.extents.last,
            scales.shape.extents.dropLast() == outer[...], let groups = scales.shape.extents.last
        else {
            throw scales.failure("has shape \(scales.shape), which does not fit \(main.shape) words")
        }
        let (columns, tooMany) = groups.multipliedReportingOverflow(by: scheme.groupSize)
        let (bits, tooWide) = columns.multipliedReportingOverflow(by: scheme.bits)
        guard !tooMany, !tooWide, bits == words * 32 else {
            throw scales.failure(
                "has \(groups) groups of \(scheme.groupSize) codes of \(scheme.bits) bits, which do not fill \(words) words"
            )
        }
        var offset = PackedWeight.Offset.zero(0)
        if !isFloat {
            let biases = try tensors.take("biases", SourceTensor.scaleTypes)
            try biases.requireShape(scales.shape.extents)
            offset = .biases(ScaleMatrix(biases, rowStride: groups))
        }
        return try PackedWeight(
            tensors, outer + [columns],
            kind: "MLX \(mode == .affine ? "\(scheme.bits)-bit" : mode.rawValue) codes",
            PackedWeight.Parts(
                values: mode.values,
                codes: CodeMatrix(
                    tensor: main, bits: scheme.bits, rows: .separate(4 * words),
                    columns: .stream(scheme.bits, stride: 4)),
                offset: offset, scales: ScaleMatrix(scales, rowStride: groups, reading: mode.reading),
                groups: .consecutive(scheme.groupSize), groupCount: groups))
    }

    /// Under its published name, and with the axes that are published.
    func plain(_ tensor: SourceTensor) -> StoredWeight {
        layout.restored(tensor, named: published(tensor.name))
    }
}

extension MLX.Mode {
    fileprivate var values: CodeValues {
        switch self {
        case .affine: .integers
        case .mxfp4, .nvfp4: .float4
        case .mxfp8: .float8
        }
    }

    fileprivate var reading: ScaleMatrix.Reading {
        switch self {
        case .affine: .number
        case .mxfp4, .mxfp8: .exponent
        case .nvfp4: .float8
        }
    }
}
