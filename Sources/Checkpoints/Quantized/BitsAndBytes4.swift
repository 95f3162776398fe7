internal import CKernels
internal import GroupFormats
internal import Storage

/// bitsandbytes with 4 bits (nf4, fp4): `weight` of bytes with two codes each, the first in the high half, in the order of the
/// flattened matrix; `weight.absmax`, `weight.quant_map` and `weight.quant_state.bitsandbytes__nf4`, which is JSON.
struct BitsAndBytes4: WeightFormat {
    static let title = "bitsandbytes 4 bits"
    static let methods = ["bitsandbytes"]
    private static let state = "weight.quant_state.bitsandbytes__"
    let suffixes = [
        "absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state.bitsandbytes__nf4",
        "quant_state.bitsandbytes__fp4",
    ]

    /// The modules that have a state, and the kind of their codes: the configuration says what was asked for, the tensors what was
    /// done.
    private let kinds: [String: String]

    init?(_ checkpoint: QuantizedCheckpoint) throws(Failure) {
        var kinds: [String: String] = [:]
        for tensor in checkpoint.checkpoint.tensors {
            for kind in ["nf4", "fp4"] {
                if let module = tensor.module(Self.state + kind) { kinds[module] = kind }
            }
        }
        guard
            let keys = checkpoint.statement(of: Self.methods)
                ?? (checkpoint.isSilent ? checkpoint.statement : nil)
        else {
            guard checkpoint.isSilent, !kinds.isEmpty else { return nil }
            self.kinds = kinds
            return
        }
        guard !kinds.isEmpty else {
            // Eight bits are another format; of four bits everything may have been skipped.
            guard try keys.flag("load_in_4bit", default: false) else { return nil }
            self.kinds = kinds
            return
        }
        self.kinds = kinds
    }

    func module(of tensor: SourceTensor) -> String? {
        tensor.module("weight").flatMap { kinds[$0] == nil ? nil : $0 }
    }

    func weight(_ tensors: inout PackedTensors) throws(Failure) -> any DerivedWeight {
        let kind = kinds[tensors.module] ?? "nf4"
        let state = try State(tensors.take(Self.state + kind, [.uint8]))
        guard let (codes, overflow) = state.shape?.count.addingReportingOverflow(1), !overflow,
            let shape = state.shape, shape.count > 0
        else { throw tensors.main.failure("is of an impossible shape, by its state") }
        // The bytes may be stored as elements of another type.
        guard tensors.main.data.count == codes / 2 else {
            throw tensors.main.failure(
                "has \(tensors.main.data.count) bytes where \(shape) codes of 4 bits take \(codes / 2)")
        }
        let blocks = groupCount(shape.count, state.blockSize)
        let map = try tensors.take("weight.quant_map", [.float32])
        try map.requireShape([16])
        let scales = try tensors.take("weight.absmax", [.float32, .uint8])
        try scales.requireShape([blocks])
        var nested: BlockedWeight.Nested?
        if scales.type == .uint8 {
            guard let size = state.nestedBlockSize, let offset = state.nestedOffset else {
                throw scales.failure("holds codes, of which the state does not say what they stand for")
            }
            let (outer, values) = (
                try tensors.take("weight.nested_absmax", [.float32]),
                try tensors.take("weight.nested_quant_map", [.float32])
            )
            try outer.requireShape([groupCount(blocks, size)])
            try values.requireShape([256])
            nested = BlockedWeight.Nested(
                blockSize: size, scales: outer, values: values.floats, offset: offset)
        }
        return BlockedWeight(
            name: tensors.weightName, shape: shape, sources: tensors.sources,
            kind: "bitsandbytes \(kind) codes",
            codes: tensors.main, values: map.floats, scales: scales, blockSize: state.blockSize,
            nested: nested)
    }
}

extension BitsAndBytes4 {
    /// What a module's state says.
    private struct State {
        let shape: Shape?
        let blockSize: Int
        let nestedBlockSize: Int?
        let nestedOffset: Float?

        private static let sizes = 1...1 << 24

        init(_ tensor: SourceTensor) throws(Failure) {
            do throws(Failure) {
                guard tensor.data.count <= 1 << 16 else {
                    throw .badInput("takes \(tensor.data.count) bytes")
                }
                let json = try JSON(parsing: tensor.data.bytes)
                guard let extents = json["shape"]?.ints, extents.count == 2 else {
                    throw .badInput("has no shape of two extents")
                }
                shape = Shape(checking: extents)
                guard let size = json["blocksize"]?.int, Self.sizes.contains(size) else {
                    throw .badInput("has no size of blocks")
                }
                blockSize = size
                let nested = json["nested_blocksize"]
                nestedBlockSize = nested?.int.flatMap { Self.sizes.contains($0) ? $0 : nil }
                guard nested == nil || nestedBlockSize != nil else {
                    throw .badInput("has an impossible size of nested blocks")
                }
                nestedOffset = json["nested_offset"]?.double.map { Float($0) }
            } catch { throw error.located(in: tensor.data.file.path).placed(in: "tensor '\(tensor.name)'") }
        }
    }
}

/// A matrix of 4-bit codes in blocks that run on over the ends of rows.
private struct BlockedWeight: DerivedWeight {
    /// Scales that are codes themselves: `value[code] · scale[block] + offset`.
    struct Nested: Sendable {
        let blockSize: Int
        let scales: SourceTensor
        let values: [Float]
        let offset: Float
    }

    let name: String
    let shape: Shape
    let sources: [String]
    let kind: String
    let codes: SourceTensor
    let values: [Float]
    let scales: SourceTensor
    let blockSize: Int
    let nested: Nested?

    var type: ElementType { .float32 }
    var published: PublishedCodes? {
        PublishedCodes(kind, .floats(because: "their blocks run over the ends of rows"))
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let columns = shape.extents[1]
        precondition(out.count == rows.count * columns * 4)
        guard var target = out.bindMemory(to: Float.self).baseAddress,
            let bytes = codes.data.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        else { return }
        var first = rows.lowerBound * columns
        let end = rows.upperBound * columns
        while first < end {
            let block = first / blockSize
            let count = min((block + 1) * blockSize, end) - first
            tsr_nibbles_to_floats(bytes, first, count, values, try scale(block), target)
            target += count
            first += count
        }
    }

    private func scale(_ block: Int) throws(Failure) -> Float {
        let value: Float
        if let nested {
            value =
                nested.values[Int(scales.data.bytes[block])] * nested.scales.element(block / nested.blockSize)
                + nested.offset
        } else {
            value = scales.element(block)
        }
        guard value.isFinite else { throw scales.failure("the scale of block \(block) is \(value)") }
        return value
    }
}

extension SourceTensor {
    /// The elements of a tensor of float32.
    fileprivate var floats: [Float] { (0..<shape.count).map(element) }
}
