internal import GroupFormats
internal import Storage

/// AutoGPTQ and its successors: `qweight` [K·bits/32, N], words along K; `qzeros` [groups, N·bits/32]; `scales` [groups, N]; `g_idx` [K].
struct GPTQ: WeightFormat {
    static let title = "GPTQ"
    static let methods = ["gptq"]
    let suffixes = ["qweight", "qzeros", "scales", "g_idx"]

    /// What the configuration says of some modules.
    struct Scheme {
        let bits: Int
        let groupSize: GroupSize
    }

    /// How zero points are stored.
    enum Zeros {
        case asTheyAre
        case lessOne
    }

    /// The schemes of all modules; which of them a module has is told by the shapes of its tensors.
    let schemes: [Scheme]
    let zeros: Zeros
    /// The bits of codes that are in planes; those of others are a stream.
    let planarBits: Set<Int>
    /// Whether the columns of a group may have been chosen by activation order.
    let isReordered: Bool

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        guard let keys = checkpoint.statement(of: Self.methods) ?? Self.unnamed(checkpoint) else {
            return nil
        }
        // gptqmodel writes AWQ's tensors too, and says so in `method`.
        guard try keys.word("method", default: "gptq") == "gptq" else { return nil }
        // Newer writers call it `format`; the first had none.
        let formatKey = keys.has("checkpoint_format") ? "checkpoint_format" : "format"
        let format = try keys.word(formatKey, default: "gptq")
        guard ["gptq", "gptq_v2", "gptq_p"].contains(format) else {
            throw keys.unsupported(formatKey, "gptq, gptq_v2 and gptq_p")
        }
        guard try keys.word("pack_dtype", default: "int32") == "int32" else {
            throw keys.unsupported("pack_dtype", "int32")
        }
        guard try !keys.flag("is_marlin_format", default: false) else {
            throw keys.unsupported("is_marlin_format", "false")
        }
        _ = try keys.flag("sym", default: true)  // the zero points are stored either way
        schemes = try Self.schemes(keys)
        zeros = format == "gptq" ? .lessOne : .asTheyAre
        // gptqmodel has no stream of 5 to 7 bits (`utils/planar_packing.py`).
        planarBits = format == "gptq_p" ? [3, 5, 6, 7] : [5, 6, 7]
        isReordered = try keys.flag("desc_act", default: false)
    }

    /// Another tool's statement that its tensors are such.
    init(_ schemes: [Scheme], zeros: Zeros) {
        (self.schemes, self.zeros) = (schemes, zeros)
        (planarBits, isReordered) = ([], false)
    }

    /// The statement of the first writers, which did not name the method.
    private static func unnamed(_ checkpoint: QuantizedCheckpoint) -> QuantizationKeys? {
        guard checkpoint.isSilent, let keys = checkpoint.statement, keys.has("bits"), keys.has("desc_act")
        else {
            return nil
        }
        return keys
    }

    /// The scheme of all modules, and those of `dynamic`: { "+:pattern": { what differs }, "-:pattern": {} }.
    private static func schemes(_ keys: QuantizationKeys) throws(Failure) -> [Scheme] {
        var schemes = [
            Scheme(bits: try keys.bits("bits", 2...8), groupSize: try keys.groupSize("group_size"))
        ]
        guard let dynamic = try keys.object("dynamic") else { return schemes }
        for member in dynamic.json.members ?? [] where !member.key.hasPrefix("-:") {
            let own = try dynamic.required(member.key)
            schemes.append(
                Scheme(
                    bits: own.has("bits") ? try own.bits("bits", 2...8) : schemes[0].bits,
                    groupSize: own.has("group_size") ? try own.groupSize("group_size") : schemes[0].groupSize)
            )
        }
        return schemes
    }

    func module(of tensor: SourceTensor) -> String? { tensor.module("qweight") }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        try tensors.firstFit(schemes) { (tensors, scheme) throws(Failure) in
            try weight(&tensors, scheme)
        }
    }

    private func weight(_ tensors: inout PackedTensors, _ scheme: Scheme) throws(Failure) -> any DerivedWeight
    {
        let bits = scheme.bits
        // Codes fill words without a gap once there are so many.
        let (together, words) = 32 % bits == 0 ? (32 / bits, 1) : (32, bits)
        try tensors.main.require([.int32])
        let (height, rows) = try tensors.main.matrix()
        guard height % words == 0 else {
            throw tensors.main.failure("has \(height) rows, which are no codes of \(bits) bits")
        }
        guard rows % together == 0 else {
            throw tensors.main.failure("has \(rows) rows, whose zero points do not fill words of \(together)")
        }
        let columns = height / words * together
        let size = scheme.groupSize.count(columns: columns)
        let groups = groupCount(columns, size)
        let width = rows / together * words
        let stored = try tensors.take("qzeros", [.int32])
        try stored.requireShape([groups, width])
        let axis = planarBits.contains(bits) ? CodeAxis.planes : CodeAxis.stream
        let zeroPoints = CodeMatrix(
            tensor: stored, bits: bits, rows: axis(bits, 4), columns: .separate(4 * width))
        let scales = try tensors.take("scales", SourceTensor.scaleTypes)
        try scales.requireShape([groups, rows])
        let order = try tensors.takeOptional("g_idx", [.int32])
        if isReordered && order == nil { _ = try tensors.take("g_idx", [.int32]) }
        let listed = try PackedWeight.Groups(order, columns: columns, groupSize: size, count: groups)
        if let order, !isReordered, case .listed = listed {
            throw order.failure(
                "has columns in another order than their groups', which desc_act in config.json denies")
        }
        return try PackedWeight(
            tensors, [rows, columns], kind: "GPTQ codes",
            PackedWeight.Parts(
                values: .integers,
                codes: CodeMatrix(
                    tensor: tensors.main, bits: bits, rows: .separate(4), columns: axis(bits, 4 * rows)),
                offset: zeros == .lessOne ? .zerosLessOne(zeroPoints) : .zeros(zeroPoints),
                scales: ScaleMatrix(scales, rowStride: 1, groupStride: rows), groups: listed,
                groupCount: groups))
    }
}

extension SourceTensor {
    /// The module of a tensor whose name ends in `suffix`; nil for others.
    func module(_ suffix: String) -> String? {
        name.hasSuffix("." + suffix) ? String(name.dropLast(suffix.count + 1)) : nil
    }
}

extension PackedWeight.Groups {
    /// The groups that an index of them gives: in order where it says so, where it was never filled in (−1), and without it.
    init(_ order: SourceTensor?, columns: Int, groupSize: Int, count: Int) throws(Failure) {
        guard let order else {
            self = .consecutive(groupSize)
            return
        }
        try order.requireShape([columns])
        let listed = (0..<columns).map { Int32(truncatingIfNeeded: order.integer($0)) }
        if listed.allSatisfy({ $0 == -1 }) || listed.enumerated().allSatisfy({ $0 / groupSize == $1 }) {
            self = .consecutive(groupSize)
            return
        }
        if let column = listed.firstIndex(where: { !(0..<Int32(clamping: count)).contains($0) }) {
            throw order.failure("puts column \(column) into group \(listed[column]) of \(count)")
        }
        self = .listed(listed)
    }
}
