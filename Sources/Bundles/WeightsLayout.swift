internal import GroupFormats
public import Storage

/// Where tensors lie within the weights: one after the other, each at the next multiple of 64. Nothing is left to choose,
/// so a writer knows every offset before the first byte, and a reader can tell a wrong one.
struct WeightsLayout: Equatable {
    let ranges: [Range<Int>]
    /// The end of the last tensor.
    let byteCount: Int

    /// The layout of `tensors` in that order; their names must differ.
    init(_ tensors: [TensorDescription]) throws(Failure) {
        var names: Set<String> = []
        var ranges: [Range<Int>] = []
        var end = 0
        for tensor in tensors {
            let place = "tensor '\(tensor.name)'"
            guard names.insert(tensor.name).inserted else { throw .badInput("appears twice", at: place) }
            guard let start = Format.aligned(end),
                case (let next, false) = start.addingReportingOverflow(tensor.byteCount)
            else { throw .badInput("makes the weights too large to address", at: place) }
            ranges.append(start..<next)
            end = next
        }
        self.ranges = ranges
        byteCount = end
    }
}

extension BundleWriter {
    /// The bytes of a bundle of `tensors` up to the end of its weights, to the byte; graph, metadata, tokenizer and
    /// directory come behind them.
    /// - Throws: `.badInput` when two have the same name, or when they are too large to address.
    public static func byteCount(upToWeights tensors: [TensorDescription]) throws(Failure) -> Int {
        let (end, overflow) = try WeightsLayout(tensors).byteCount.addingReportingOverflow(Format.headerBytes)
        guard !overflow else { throw .badInput("the weights are too large to address") }
        return end
    }
}

extension Features {
    /// What a reader of these tensors has to know.
    init(_ tensors: [TensorDescription]) {
        self = []
        for tensor in tensors {
            switch tensor.encoding {
            case .float: break
            case .groups(let format): insert(Features(format))
            case .bands(let bands):
                insert(.rowBands)
                for format in bands.formats { insert(Features(format)) }
            case .zeroPoints(let format):
                insert(Features(format) == .groupTiles ? .zeroPointTiles : .upperBitZeroPointTiles)
            case .affine: insert(.affineTiles)
            case .float4: insert(.float4Tiles)
            }
        }
    }

    private init(_ format: GroupFormat) {
        switch format.bits {
        case .four, .eight: self = .groupTiles
        case .five, .six: self = .upperBitTiles
        }
    }
}
