internal import GroupFormats
internal import Storage

/// The directory section: every tensor in the order in which it lies in the weights.
struct TensorDirectory: Equatable {
    let entries: [TensorEntry]
    let layout: WeightsLayout

    /// The directory of tensors just written.
    init(_ tensors: [TensorDescription], layout: WeightsLayout, digests: [Digest]) {
        self.layout = layout
        entries = zip(zip(tensors, layout.ranges), digests).map { TensorEntry($0.0, range: $0.1, digest: $1) }
    }

    /// The digest that stands for all weights: over each tensor's name, encoding, shape and digest, in order.
    func digest() throws(Failure) -> Digest {
        var list: [UInt8] = []
        for entry in entries {
            for text in [entry.name, entry.encoding.description] {
                list += UInt32(text.utf8.count).bytes + Array(text.utf8)
            }
            list += UInt32(entry.shape.rank).bytes + entry.shape.extents.flatMap { UInt64($0).bytes }
            list += entry.digest.bytes
        }
        return try SHA256.digest(list)
    }
}

extension TensorDirectory {
    /// The section's JSON.
    var json: JSON {
        .array(
            entries.map { entry in
                .pairs([
                    "name": .string(entry.name),
                    "shape": .array(entry.shape.extents.map { .int($0) }),
                    "encoding": .string(entry.encoding.description),
                    "offset": .int(entry.range.lowerBound),
                    "length": .int(entry.byteCount),
                    "sha256": .string(entry.digest.description),
                    "sources": .array(entry.sources.map { .string($0) }),
                    "note": .string(entry.note),
                ])
            })
    }

    /// Reads the section's JSON and checks it against the length of the weights.
    init(_ json: JSON, weightsByteCount: Int) throws(Failure) {
        guard let elements = json.array else { throw .badInput("is no JSON array", at: "directory") }
        var stated: [(range: Range<Int>, digest: Digest)] = []
        var tensors: [TensorDescription] = []
        for (index, element) in elements.enumerated() {
            let place = "directory[\(index)]"
            let tensor = try Self.description(element, place)
            stated.append(try Self.location(element, of: tensor, within: weightsByteCount))
            tensors.append(tensor)
        }
        let layout = try WeightsLayout(tensors)
        for (index, tensor) in tensors.enumerated() where stated[index].range != layout.ranges[index] {
            let (start, expected) = (stated[index].range.lowerBound, layout.ranges[index].lowerBound)
            let fault = start < expected ? "overlaps the tensor before it" : "leaves a gap before it"
            throw .badInput(
                "\(fault): begins at \(start) instead of \(expected)", at: "tensor '\(tensor.name)'")
        }
        guard layout.byteCount == weightsByteCount else {
            throw .badInput(
                "the tensors end at \(layout.byteCount) of \(weightsByteCount) bytes", at: "weights")
        }
        self.init(tensors, layout: layout, digests: stated.map(\.digest))
    }

    private static func description(_ entry: JSON, _ place: String) throws(Failure) -> TensorDescription {
        guard let name = entry["name"]?.string else { throw .badInput("has no name", at: place) }
        guard let shape = entry["shape"]?.ints.flatMap({ Shape(checking: $0) }) else {
            throw .badInput("'\(name)' has no possible shape", at: place)
        }
        guard let encodingName = entry["encoding"]?.string, let encoding = TensorEncoding(encodingName) else {
            throw .badInput("'\(name)' has an unknown encoding", at: place)
        }
        guard let sources = entry["sources"]?.strings, let note = entry["note"]?.string else {
            throw .badInput("'\(name)' does not say what it was made from", at: place)
        }
        return try TensorDescription(
            name: name, shape: shape, encoding: encoding, sources: sources, note: note)
    }

    private static func location(
        _ entry: JSON, of tensor: TensorDescription, within weights: Int
    ) throws(Failure) -> (range: Range<Int>, digest: Digest) {
        let place = "tensor '\(tensor.name)'"
        guard let offset = entry["offset"]?.int, let length = entry["length"]?.int, offset >= 0 else {
            throw .badInput("has no offset and length", at: place)
        }
        guard length == tensor.byteCount else {
            throw .badInput(
                "has \(length) bytes where \(tensor.encoding) of shape \(tensor.shape) takes \(tensor.byteCount)",
                at: place)
        }
        // Both are known to be non-negative here.
        guard length <= weights, offset <= weights - length else {
            throw .badInput("begins at \(offset) and ends outside the \(weights) bytes of weights", at: place)
        }
        guard let digest = entry["sha256"]?.string.flatMap({ Digest(hexadecimal: $0) }) else {
            throw .badInput("has no SHA-256", at: place)
        }
        return (offset..<offset + length, digest)
    }
}
