internal import CKernels
internal import GroupFormats
public import Storage

/// A tensor of a GGUF file: where its blocks lie and what they are.
public struct GGUFTensor: Sendable {
    /// As the file has it.
    public let name: String
    /// What its elements are stored as.
    public let type: BlockType
    /// Outermost extent first, the reverse of the file's order; the last is a multiple of a block's elements.
    public let shape: Shape
    /// The blocks, row after row, mapped.
    public let data: MappedBytes

    /// The tensor as one of plain elements; nil when it is of blocks.
    public var plain: SourceTensor? {
        type.plain.map { SourceTensor(name: name, type: $0, shape: shape, data: data) }
    }

    /// The weight that it holds, under the name that full precision gives it.
    /// - Parameter heads: the heads whose order is another one where the weight is published, and what of the tensor is theirs.
    /// - Throws: `.badInput` for a vector of blocks, and when there is no room for the heads.
    /// - Precondition: there is a reader for its type, as for every tensor of a `GGUFFile`.
    func weight(
        named name: String, _ heads: (ValueHeads, ValueHeads.Place)? = nil
    ) throws(Failure) -> StoredWeight {
        guard type.plain != nil || shape.rank > 1 else {
            throw .badInput(
                "is a vector of \(type.name) blocks, which is not supported", at: "tensor '\(self.name)'")
        }
        guard let (heads, place) = heads else {
            return plain.map { StoredWeight($0, named: name) }
                ?? StoredWeight(GGUFWeight(name, self, .published))
        }
        let order = try heads.order(in: self, place)
        guard place == .columns else { return StoredWeight(GGUFWeight(name, self, .rows(order))) }
        let blocks = order.counted(in: type.elements).map(Layout.blocks)
        return StoredWeight(GGUFWeight(name, self, blocks ?? .elements(order)))
    }
}

/// A weight that a GGUF file holds in blocks of codes with scales, or in another order than it is published.
struct GGUFWeight: DerivedWeight {
    let name: String
    let tensor: GGUFTensor
    let layout: GGUFTensor.Layout

    init(_ name: String, _ tensor: GGUFTensor, _ layout: GGUFTensor.Layout) {
        (self.name, self.tensor, self.layout) = (name, tensor, layout)
    }

    var shape: Shape { tensor.shape }
    var type: ElementType { tensor.type.plain ?? .float32 }
    var sources: [String] { [tensor.name] }
    var published: PublishedCodes? {
        guard tensor.type.plain == nil else { return nil }
        let kind = "\(tensor.type.name) blocks"
        if case .elements = layout {
            return PublishedCodes(kind, .floats(because: "its columns are of heads that share blocks"))
        }
        return PublishedCodes(
            kind, exactEncoding.map { .exact($0) } ?? .floats(because: "no tiles hold such blocks"))
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let columns = tensor.columns
        precondition(rows.lowerBound >= 0 && rows.upperBound * columns <= shape.count)
        precondition(out.count == rows.count * columns * type.width)
        guard !rows.isEmpty else { return }
        try tensor.withRows(rows, layout) { (bytes) throws(Failure) in
            guard case .blocks(let kind) = tensor.type.reading else { return out.copyMemory(from: bytes) }
            try decode(kind, bytes, rows, into: out.bindMemory(to: Float.self))
        }
    }

    private func decode(
        _ kind: tsr_block_kind, _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>,
        into floats: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        let perRow = tensor.columns / tensor.type.elements
        let count = rows.count * perRow
        let read = tsr_blocks_to_floats(
            kind, bytes.bindMemory(to: UInt8.self).baseAddress, count, floats.baseAddress)
        guard read == count else {
            throw .badInput(
                "has a scale that is NaN or infinite: in row \(rows.lowerBound + read / perRow), block \(read % perRow)",
                file: tensor.data.file.path, at: "tensor '\(tensor.name)'")
        }
        if case .elements(let order) = layout { order.restore(floats, columns: tensor.columns) }
    }
}
