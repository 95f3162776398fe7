internal import GroupFormats
internal import Storage

/// The tensors that one packed weight is stored as: `module.qweight`, `module.scales`, ...
struct PackedTensors {
    let checkpoint: Checkpoint
    /// The name up to the last dot.
    let module: String
    /// The tensor that makes it a packed weight.
    let main: SourceTensor
    /// Names taken so far.
    private(set) var sources: [String]

    init(_ checkpoint: Checkpoint, module: String, main: SourceTensor) {
        self.checkpoint = checkpoint
        self.module = module
        self.main = main
        sources = [main.name]
    }

    /// The tensor of that suffix, which must be there, with one of these types.
    mutating func take(_ suffix: String, _ types: [ElementType]) throws(Failure) -> SourceTensor {
        guard let tensor = try takeOptional(suffix, types) else {
            throw main.failure(
                "lacks '\(module).\(suffix)'",
                remedy: "is the checkpoint complete, and its config.json its own?")
        }
        return tensor
    }

    mutating func takeOptional(_ suffix: String, _ types: [ElementType]) throws(Failure) -> SourceTensor? {
        let name = "\(module).\(suffix)"
        guard let tensor = checkpoint[name] else {
            guard let other = checkpoint.passedOver.first(where: { $0.name == name }) else { return nil }
            throw main.failure("needs '\(name)', which is \(other.kind): there is no reader for that")
        }
        try Self.require(tensor, types)
        sources.append(tensor.name)
        return tensor
    }

    static func require(_ tensor: SourceTensor, _ types: [ElementType]) throws(Failure) {
        guard types.contains(tensor.type) else {
            let expected = types.map(\.rawValue).joined(separator: " or ")
            throw tensor.failure("holds \(tensor.type.rawValue) instead of \(expected)")
        }
    }
}

extension SourceTensor {
    /// N and K, or whatever a matrix's extents mean.
    fileprivate func matrix() throws(Failure) -> (rows: Int, columns: Int) {
        guard shape.rank == 2, shape.count > 0 else {
            throw failure("has shape \(shape), which is no matrix")
        }
        return (shape.extents[0], shape.extents[1])
    }

    fileprivate func requireShape(_ extents: [Int]...) throws(Failure) {
        guard extents.contains(shape.extents) else {
            throw failure("has shape \(shape) instead of \(extents[0])")
        }
    }
}

extension PackedWeight {
    /// AutoGPTQ: `qweight` [K·bits/32, N], `qzeros` [groups, N·bits/32], `scales` [groups, N], `g_idx` [K].
    init(
        _ tensors: PackedTensors, gptq format: QuantizationConfig.Codes, zerosLessOne: Bool, reordered: Bool
    ) throws(Failure) {
        var tensors = tensors
        let bits = format.bits
        let codesPerWord = 32 / bits.rawValue
        try PackedTensors.require(tensors.main, [.int32])
        let (words, rows) = try tensors.main.matrix()
        let columns = words * codesPerWord
        let groups = Self.count(columns, format.groupSize.count(columns: columns))
        guard rows % codesPerWord == 0 else {
            throw tensors.main.failure(
                "has \(rows) rows, whose zero points do not fill words of \(codesPerWord)")
        }
        let stored = try tensors.take("qzeros", [.int32])
        try stored.requireShape([groups, rows / codesPerWord])
        let zeros = CodeMatrix(
            tensor: stored, bits: bits, rows: .words(bits, stride: 4),
            columns: .separate(4 * (rows / codesPerWord)))
        let scales = try tensors.take("scales", SourceTensor.scaleTypes)
        try scales.requireShape([groups, rows])
        let order = try tensors.takeOptional("g_idx", [.int32])
        if reordered && order == nil { _ = try tensors.take("g_idx", [.int32]) }
        let listed = try Self.groups(
            order, columns: columns, groupSize: format.groupSize.count(columns: columns), count: groups)
        if let order, !reordered, case .listed = listed {
            throw order.failure(
                "has columns in another order than their groups', which desc_act in config.json denies")
        }
        try self.init(
            tensors, rows, columns, kind: "GPTQ codes", value: .integer,
            codes: CodeMatrix(
                tensor: tensors.main, bits: bits, rows: .separate(4),
                columns: .words(bits, stride: 4 * rows)),
            zero: zerosLessOne ? .storedLessOne(zeros) : .stored(zeros),
            scales: ScaleMatrix(tensor: scales, rowStride: 1, rowBlock: 1, groupStride: rows),
            groups: listed, groupCount: groups)
    }

    /// AutoAWQ's GEMM layout: `qweight` [K, N/8], `qzeros` [groups, N/8], `scales` [groups, N].
    init(_ tensors: PackedTensors, awq groupSize: QuantizationConfig.GroupSize) throws(Failure) {
        var tensors = tensors
        try PackedTensors.require(tensors.main, [.int32])
        let (columns, words) = try tensors.main.matrix()
        let (size, rows) = (groupSize.count(columns: columns), words * 8)
        let groups = Self.count(columns, size)
        let zeros = try tensors.take("qzeros", [.int32])
        try zeros.requireShape([groups, words])
        let scales = try tensors.take("scales", SourceTensor.scaleTypes)
        try scales.requireShape([groups, rows])
        func matrix(_ tensor: SourceTensor) -> CodeMatrix {
            CodeMatrix(
                tensor: tensor, bits: .four, rows: .interleavedWords(stride: 4),
                columns: .separate(4 * words))
        }
        try self.init(
            tensors, rows, columns, kind: "AWQ codes", value: .integer, codes: matrix(tensors.main),
            zero: .stored(matrix(zeros)),
            scales: ScaleMatrix(tensor: scales, rowStride: 1, rowBlock: 1, groupStride: rows),
            groups: .consecutive(size), groupCount: groups)
    }

    /// compressed-tensors `pack-quantized`: `weight_packed` [N, ⌈K·bits/32⌉], `weight_shape` [2] = N, K, `weight_scale`
    /// [N, groups], `weight_zero_point` [⌈N·bits/32⌉, groups], `weight_g_idx` [K]. Codes and zero points are offset alike.
    init(_ tensors: PackedTensors, packed format: QuantizationConfig.Codes, symmetric: Bool) throws(Failure) {
        var tensors = tensors
        let bits = format.bits
        let codesPerWord = 32 / bits.rawValue
        try PackedTensors.require(tensors.main, [.int32])
        let (rows, words) = try tensors.main.matrix()
        let stated = try tensors.take("weight_shape", [.int64, .int32])
        try stated.requireShape([2])
        let (statedRows, columns) = (stated.integer(0), stated.integer(1))
        guard statedRows == rows, columns > 0, columns <= words * codesPerWord,
            Self.count(columns, codesPerWord) == words
        else {
            throw stated.failure(
                "says [\(statedRows), \(columns)], which does not fit \(tensors.main.shape) words")
        }
        let size = format.groupSize.count(columns: columns)
        let groups = Self.count(columns, size)
        let scales = try tensors.take("weight_scale", SourceTensor.scaleTypes)
        try scales.requireShape([rows, groups])
        var zero = Zero.constant(UInt8(1 << (bits.rawValue - 1)))
        if !symmetric {
            let zeros = try tensors.take("weight_zero_point", [.int32])
            try zeros.requireShape([Self.count(rows, codesPerWord), groups])
            zero = .stored(
                CodeMatrix(
                    tensor: zeros, bits: bits, rows: .words(bits, stride: 4 * groups), columns: .separate(4)))
        }
        let order = try tensors.takeOptional("weight_g_idx", [.int32])
        try self.init(
            tensors, rows, columns, kind: "int\(bits.rawValue) codes", value: .integer,
            codes: CodeMatrix(
                tensor: tensors.main, bits: bits, rows: .separate(4 * words), columns: .words(bits, stride: 4)
            ),
            zero: zero, scales: ScaleMatrix(tensor: scales, rowStride: groups, rowBlock: 1, groupStride: 1),
            groups: try Self.groups(order, columns: columns, groupSize: size, count: groups),
            groupCount: groups)
    }

    /// compressed-tensors `int-quantized`: `weight` [N, K] and `weight_zero_point` [N, groups] of signed bytes,
    /// `weight_scale` [N, groups].
    init(
        _ tensors: PackedTensors, bytes groupSize: QuantizationConfig.GroupSize, symmetric: Bool
    ) throws(Failure) {
        var tensors = tensors
        let (rows, columns) = try tensors.main.matrix()
        let size = groupSize.count(columns: columns)
        let groups = Self.count(columns, size)
        let scales = try tensors.take("weight_scale", SourceTensor.scaleTypes)
        try scales.requireShape([rows, groups])
        var zero = Zero.constant(128)
        if !symmetric {
            let zeros = try tensors.take("weight_zero_point", [.int8])
            try zeros.requireShape([rows, groups])
            zero = .stored(
                CodeMatrix(
                    tensor: zeros, bits: .eight, rows: .separate(groups), columns: .separate(1),
                    isSigned: true))
        }
        try self.init(
            tensors, rows, columns, kind: "int8 codes", value: .integer,
            codes: CodeMatrix(
                tensor: tensors.main, bits: .eight, rows: .separate(columns), columns: .separate(1),
                isSigned: true),
            zero: zero, scales: ScaleMatrix(tensor: scales, rowStride: groups, rowBlock: 1, groupStride: 1),
            groups: .consecutive(size), groupCount: groups)
    }

    /// 8-bit floats: `weight` [N, K] and scales for blocks [⌈N/rows⌉, ⌈K/columns⌉], for rows [N, 1], or one for all.
    init(
        _ tensors: PackedTensors, float8 scaling: QuantizationConfig.Float8Scales, suffix: String
    ) throws(Failure) {
        var tensors = tensors
        let (rows, columns) = try tensors.main.matrix()
        let scales = try tensors.take(suffix, SourceTensor.scaleTypes)
        let (rowBlock, size, kind) =
            switch scaling {
            case .blocks(let rowBlock, let size): (rowBlock, size, "FP8 blocks")
            case .rows: (1, columns, "FP8 rows")
            case .tensor: (rows, columns, "FP8 codes")
            }
        let groups = Self.count(columns, size)
        switch scaling {
        case .blocks: try scales.requireShape([Self.count(rows, rowBlock), groups])
        case .rows: try scales.requireShape([rows, 1], [rows])
        case .tensor: try scales.requireShape([1], [], [1, 1])
        }
        try self.init(
            tensors, rows, columns, kind: kind, value: .float8,
            codes: CodeMatrix(
                tensor: tensors.main, bits: .eight, rows: .separate(columns), columns: .separate(1)),
            zero: .constant(0),
            scales: ScaleMatrix(tensor: scales, rowStride: groups, rowBlock: rowBlock, groupStride: 1),
            groups: .consecutive(size), groupCount: groups)
    }

    private init(
        _ tensors: PackedTensors, _ rows: Int, _ columns: Int, kind: String, value: Value, codes: CodeMatrix,
        zero: Zero, scales: ScaleMatrix, groups: Groups, groupCount: Int
    ) throws(Failure) {
        guard let shape = Shape.matrix(rows, columns), shape.byteCount(.float32) != nil else {
            throw tensors.main.failure("packs [\(rows), \(columns)] weights, too many to address")
        }
        name = "\(tensors.module).weight"
        self.shape = shape
        sources = tensors.sources
        published = PublishedCodes(kind, Self.form(value, codes.bits, scales, groups, columns: columns))
        self.value = value
        self.codes = codes
        self.zero = zero
        self.scales = scales
        self.groups = groups
        self.groupCount = groupCount
    }

    /// ⌈extent / size⌉ of an extent above 0.
    private static func count(_ extent: Int, _ size: Int) -> Int { (extent - 1) / size + 1 }

    /// The groups that an index of them gives: in order where it says so, where it was never filled in (−1), and without it.
    private static func groups(
        _ order: SourceTensor?, columns: Int, groupSize: Int, count: Int
    ) throws(Failure) -> Groups {
        guard let order else { return .consecutive(groupSize) }
        try order.requireShape([columns])
        let listed = (0..<columns).map { Int32(truncatingIfNeeded: order.integer($0)) }
        if listed.allSatisfy({ $0 == -1 }) || listed.enumerated().allSatisfy({ $0 / groupSize == $1 }) {
            return .consecutive(groupSize)
        }
        if let column = listed.firstIndex(where: { !(0..<Int32(clamping: count)).contains($0) }) {
            throw order.failure("puts column \(column) into group \(listed[column]) of \(count)")
        }
        return .listed(listed)
    }
}

extension SourceTensor {
    /// Element `index` of a tensor of 32- or 64-bit integers.
    fileprivate func integer(_ index: Int) -> Int {
        let (bytes, offset) = (data.bytes, index * type.width)
        return type == .int64
            ? Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
            : Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }
}
