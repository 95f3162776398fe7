public import Storage

/// A checkpoint whose linears are packed as a quantizing tool publishes them, and its twin of what the codes stand for.
public struct PackedTwin: Sendable {
    /// Who packs, and how.
    public enum Method: String, CaseIterable, Sendable {
        case gptq, gptq8, gptqReordered, awq, compressedTensors

        var bits: Int { self == .gptq8 ? 8 : 4 }
    }

    /// The folder of the packed checkpoint.
    public let packed: String
    /// The folder of its twin, whose linears are float32.
    public let plain: String
    /// The names of the linears that are packed, as full precision has them.
    public let linears: [String]

    /// Columns of a group.
    static let groupSize = 32

    /// Packs linears of a fixture.
    /// - Parameters:
    ///   - tensors: all of its tensors, which are bfloat16; nil for those of its `model.safetensors`.
    ///   - parts: parts of the names of linears.
    public init(
        _ method: Method, of fixture: String, tensors: [TestTensor]? = nil,
        linears parts: [String] = ["_proj.weight", "qkv.weight"], in directory: TemporaryDirectory
    ) throws(Failure) {
        let source = Fixtures.path(fixture)
        packed = directory.file("\(method)-packed")
        plain = directory.file("\(method)-plain")
        try makeDirectory(packed)
        try makeDirectory(plain)
        for name in try Path.list(source) where name != "config.json" && !name.contains("model") {
            let bytes = try readFile(Path.join(source, name))
            try writeFile(Path.join(packed, name), bytes)
            try writeFile(Path.join(plain, name), bytes)
        }
        let config = try JSON(file: Path.join(source, "config.json"))
        try writeFile(Path.join(plain, "config.json"), Array(config.serialized().utf8))
        let stated = config.setting("quantization_config", to: method.config)
        try writeFile(Path.join(packed, "config.json"), Array(stated.serialized().utf8))
        var codes: [TestTensor] = []
        var floats: [TestTensor] = []
        var linears: [String] = []
        let stored: [TestTensor]
        if let tensors {
            stored = tensors
        } else {
            stored = try readSafetensors(Path.join(source, "model.safetensors"))
        }
        for tensor in stored {
            guard parts.contains(where: { tensor.name.contains($0) }) else {
                codes.append(tensor)
                floats.append(tensor)
                continue
            }
            let weight = TwinWeight(tensor, method)
            codes += weight.packed
            floats.append(weight.plain)
            linears.append(tensor.name)
        }
        self.linears = linears
        try writeSafetensors(codes, to: Path.join(packed, "model.safetensors"))
        try writeSafetensors(floats, to: Path.join(plain, "model.safetensors"))
    }
}

extension PackedTwin.Method {
    fileprivate var config: JSON {
        switch self {
        case .gptq, .gptq8, .gptqReordered:
            return .pairs([
                "quant_method": "gptq", "bits": .int(bits), "group_size": .int(PackedTwin.groupSize),
                "desc_act": .bool(self == .gptqReordered), "sym": false,
            ])
        case .awq:
            return .pairs([
                "quant_method": "awq", "bits": 4, "group_size": .int(PackedTwin.groupSize),
                "version": "gemm",
                "zero_point": true,
            ])
        case .compressedTensors:
            let weights: JSON = .pairs([
                "num_bits": 4, "type": "int", "symmetric": true, "group_size": .int(PackedTwin.groupSize),
                "strategy": "group", "dynamic": false,
            ])
            let group: JSON = .pairs(["targets": ["Linear"], "weights": weights])
            return .pairs([
                "quant_method": "compressed-tensors", "format": "pack-quantized",
                "config_groups": .pairs(["group_0": group]), "ignore": ["lm_head"],
            ])
        }
    }
}

/// A linear rounded to nearest in groups.
private struct TwinWeight {
    let method: PackedTwin.Method
    let module: String
    let rows: Int, columns: Int, groups: Int
    /// `[row][column]`
    var codes: [UInt8]
    /// `[row][group]`
    var scales: [Float16], zeros: [UInt8]

    init(_ tensor: TestTensor, _ method: PackedTwin.Method) {
        self.method = method
        module = String(tensor.name.dropLast(".weight".count))
        (rows, columns) = (tensor.shape[0], tensor.shape[1])
        groups = (columns + PackedTwin.groupSize - 1) / PackedTwin.groupSize
        codes = Array(repeating: 0, count: rows * columns)
        scales = Array(repeating: 0, count: rows * groups)
        zeros = Array(repeating: 0, count: rows * groups)
        let values = (0..<rows * columns).map { index in
            let (low, high) = (UInt32(tensor.bytes[2 * index]), UInt32(tensor.bytes[2 * index + 1]))
            return Float(bitPattern: low << 16 | high << 24)
        }
        for row in 0..<rows { for group in 0..<groups { round(values, row, group) } }
    }

    /// The group of a column.
    func group(_ column: Int) -> Int {
        method == .gptqReordered ? column % groups : column / PackedTwin.groupSize
    }

    private mutating func round(_ values: [Float], _ row: Int, _ group: Int) {
        let places = (0..<columns).filter { self.group($0) == group }.map { row * columns + $0 }
        let low = places.reduce(Float(0)) { min($0, values[$1]) }
        let high = places.reduce(Float(0)) { max($0, values[$1]) }
        let limit = Float(1 << method.bits - 1)
        var (range, zero) = (high - low, Float(0))
        if method == .compressedTensors {
            (range, zero) = (max(high, -low) * limit / 7, 8)
        }
        let scale = Float16(max(range / limit, 1e-6))
        // Tools of the first generation stored zeros less one, and lost a zero of none.
        if method != .compressedTensors { zero = min(max((-low / Float(scale)).rounded(), 1), limit) }
        scales[row * groups + group] = scale
        zeros[row * groups + group] = UInt8(zero)
        for place in places {
            codes[place] = UInt8(min(max((values[place] / Float(scale)).rounded() + zero, 0), limit))
        }
    }

    /// What the codes stand for.
    var plain: TestTensor {
        let values = (0..<rows * columns).map { index in
            let side = index / columns * groups + group(index % columns)
            return Float(scales[side]) * Float(Int(codes[index]) - Int(zeros[side]))
        }
        return TestTensor(
            module + ".weight", "F32", [rows, columns], values.flatMap { little($0.bitPattern) })
    }

    var packed: [TestTensor] {
        let (bits, perWord) = (method.bits, 32 / method.bits)
        func tensor(_ suffix: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) -> TestTensor {
            TestTensor("\(module).\(suffix)", type, shape, bytes)
        }
        /// Words of one row after the other, `code` being asked for the row and the place within it.
        func words(_ outer: Int, _ inner: Int, _ code: (Int, Int, Int) -> UInt8) -> [UInt8] {
            (0..<outer).flatMap { row in
                (0..<inner).flatMap { word in
                    little(
                        (0..<perWord).reduce(UInt32(0)) {
                            $0 | UInt32(code(row, word, $1)) << UInt32($1 * bits)
                        })
                }
            }
        }
        let transposedScales = (0..<groups).flatMap { group in
            (0..<rows).flatMap { little(scales[$0 * groups + group].bitPattern) }
        }
        switch method {
        case .gptq, .gptq8, .gptqReordered:
            let order = (0..<columns).flatMap { little(UInt32(group($0))) }
            return [
                tensor(
                    "qweight", "I32", [columns / perWord, rows],
                    words(columns / perWord, rows) { codes[$1 * columns + $0 * perWord + $2] }),
                tensor(
                    "qzeros", "I32", [groups, rows / perWord],
                    words(groups, rows / perWord) { zeros[($1 * perWord + $2) * groups + $0] - 1 }),
                tensor("scales", "F16", [groups, rows], transposedScales),
                tensor("g_idx", "I32", [columns], order),
            ]
        case .awq:
            let order = [0, 2, 4, 6, 1, 3, 5, 7]
            return [
                tensor(
                    "qweight", "I32", [columns, rows / 8],
                    words(columns, rows / 8) { codes[($1 * 8 + order[$2]) * columns + $0] }),
                tensor(
                    "qzeros", "I32", [groups, rows / 8],
                    words(groups, rows / 8) { zeros[($1 * 8 + order[$2]) * groups + $0] }),
                tensor("scales", "F16", [groups, rows], transposedScales),
            ]
        case .compressedTensors:
            return [
                tensor(
                    "weight_packed", "I32", [rows, columns / 8],
                    words(rows, columns / 8) { codes[$0 * columns + $1 * 8 + $2] }),
                tensor("weight_scale", "F16", [rows, groups], scales.flatMap { little($0.bitPattern) }),
                tensor("weight_shape", "I64", [2], little(UInt64(rows)) + little(UInt64(columns))),
            ]
        }
    }
}
