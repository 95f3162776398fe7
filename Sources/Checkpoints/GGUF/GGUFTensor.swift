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
    /// - Precondition: there is a reader for its type, as for every tensor of a `GGUFFile`.
    func weight(named name: String) -> StoredWeight {
        plain.map { StoredWeight($0, named: name) } ?? StoredWeight(GGUFWeight(name, self))
    }
}

/// A weight that a GGUF file holds in blocks of codes with scales.
struct GGUFWeight: DerivedWeight {
    let name: String
    let tensor: GGUFTensor

    init(_ name: String, _ tensor: GGUFTensor) { (self.name, self.tensor) = (name, tensor) }

    var shape: Shape { tensor.shape }
    var type: ElementType { .float32 }
    var sources: [String] { [tensor.name] }
    var published: PublishedCodes? {
        PublishedCodes(
            "\(tensor.type.name) blocks",
            exactEncoding.map { .exact($0) } ?? .floats(because: "no tiles hold such blocks"))
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws(Failure) {
        let columns = shape.extents.last ?? 1
        precondition(rows.lowerBound >= 0 && rows.upperBound * columns <= shape.count)
        precondition(out.count == rows.count * columns * type.width)
        guard case .blocks(let kind) = tensor.type.reading, !rows.isEmpty,
            let floats = out.bindMemory(to: Float.self).baseAddress
        else { return }
        let perRow = columns / tensor.type.elements
        let (first, count) = (rows.lowerBound * perRow, rows.count * perRow)
        let place = first * tensor.type.bytes
        let bytes = tensor.data.bytes[place..<place + count * tensor.type.bytes]
        let read = tsr_blocks_to_floats(
            kind, UnsafeRawBufferPointer(rebasing: bytes).bindMemory(to: UInt8.self).baseAddress, count,
            floats)
        withExtendedLifetime(tensor.data.file) {}
        guard read == count else {
            throw .badInput(
                "has a scale that is NaN or infinite: in row \((first + read) / perRow), block \((first + read) % perRow)",
                file: tensor.data.file.path, at: "tensor '\(tensor.name)'")
        }
        let start = tensor.data.range.lowerBound + place
        tensor.data.file.advise(start..<start + bytes.count, .dontNeed)
    }
}
