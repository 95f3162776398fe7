public import Storage

/// A safetensors file: mapped, its header checked, no tensor read.
///
/// The file is the header's length (8 bytes, little-endian), the header (a JSON object of names) and one buffer, which
/// the tensors cover without overlap or gap.
public struct SafetensorsFile: Sendable {
    /// The longest header accepted, as in the reference implementation.
    public static let headerLimit = 100_000_000

    /// The whole file.
    public let file: MappedFile
    /// In the order in which they lie in the file.
    public let tensors: [SourceTensor]
    /// Tensors of types that there is no reader for.
    public let passedOver: [PassedOver]
    /// What the header says about itself (`__metadata__`), in its order.
    public let metadata: [(key: String, value: String)]

    /// Maps and checks the file at `path`.
    /// - Throws: `.io` when it cannot be opened, `.badInput` when anything in the header is not as it must be.
    public init(_ path: String) throws(Failure) {
        file = try MappedFile(path)
        do {
            let header = try SafetensorsHeader(file)
            (tensors, passedOver, metadata) = (header.tensors, header.passedOver, header.metadata)
        } catch {
            throw error.located(in: path)
        }
    }
}

extension SafetensorsFile {
    /// What stands before the tensors' bytes in a file that holds them one behind the other: the header's length and the header.
    public static func header(of tensors: [SourceTensor]) -> [UInt8] {
        var end = 0
        let entries = tensors.map { tensor -> JSON.Member in
            let start = end
            end += tensor.data.count
            return .init(
                tensor.name,
                .pairs([
                    "dtype": .string(tensor.type.rawValue),
                    "shape": .array(tensor.shape.extents.map { .int($0) }),
                    "data_offsets": .array([.int(start), .int(end)]),
                ]))
        }
        let header = Array(JSON.object(entries).serialized().utf8)
        // Readers that map files expect tensors at multiples of 8.
        let padding = [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        return UInt64(header.count + padding.count).bytes + header + padding
    }
}

/// The header of a safetensors file, checked against the file it heads.
private struct SafetensorsHeader {
    let file: MappedFile
    /// Where the tensors' buffer begins in the file.
    let bufferStart: Int
    var tensors: [SourceTensor] = []
    var passedOver: [PassedOver] = []
    /// What lies in the buffer, under its name.
    private var spans: [(name: String, range: Range<Int>)] = []
    var metadata: [(key: String, value: String)] = []

    init(_ file: MappedFile) throws(Failure) {
        self.file = file
        let bytes = file.bytes
        guard bytes.count >= 8 else {
            throw .badInput("has \(bytes.count) bytes, too few for a safetensors file")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(SafetensorsFile.headerLimit) else {
            throw .badInput(
                "claims a header of \(length) bytes, more than the \(SafetensorsFile.headerLimit) allowed",
                remedy: "is it a safetensors file?")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw .badInput(
                "is cut short: its header has \(length) bytes, of which \(bytes.count - 8) are there")
        }
        bufferStart = 8 + Int(length)
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<bufferStart])
        guard let members = try JSON(parsing: text).members else {
            throw .badInput("the header is no JSON object")
        }
        for member in members {
            if member.key == "__metadata__" {
                metadata = try Self.strings(member.value)
            } else {
                try add(member.key, member.value)
            }
        }
        // Names break ties between tensors without elements.
        tensors.sort {
            ($0.data.range.lowerBound, $0.data.range.upperBound, $0.name)
                < ($1.data.range.lowerBound, $1.data.range.upperBound, $1.name)
        }
        spans.sort {
            ($0.range.lowerBound, $0.range.upperBound, $0.name)
                < ($1.range.lowerBound, $1.range.upperBound, $1.name)
        }
        try checkCoverage()
    }

    /// The strings of `__metadata__`; null is none, as in the reference implementation.
    private static func strings(_ value: JSON) throws(Failure) -> [(key: String, value: String)] {
        guard value != .null else { return [] }
        guard let members = value.members else { throw .badInput("is no object", at: "__metadata__") }
        var result: [(key: String, value: String)] = []
        for member in members {
            guard let text = member.value.string else {
                throw .badInput("the value of '\(member.key)' is no string", at: "__metadata__")
            }
            result.append((member.key, text))
        }
        return result
    }

    /// Takes one entry, checked by itself.
    private mutating func add(_ name: String, _ entry: JSON) throws(Failure) {
        let place = "tensor '\(name)'"
        guard let typeName = entry["dtype"]?.string else { throw .badInput("has no dtype", at: place) }
        guard let extents = entry["shape"]?.ints else {
            throw .badInput("has no shape of whole numbers", at: place)
        }
        guard let shape = Shape(checking: extents) else {
            throw .badInput("has the impossible shape \(extents)", at: place)
        }
        let data = try data(entry, at: place)
        spans.append((name, data.range))
        guard let type = ElementType(rawValue: typeName) else {
            passedOver.append(PassedOver(name: name, kind: "a tensor of \(typeName.prefix(32))"))
            return
        }
        guard let needed = shape.byteCount(type) else {
            throw .badInput("has the impossible shape \(extents)", at: place)
        }
        guard data.count == needed else {
            throw .badInput(
                "has \(data.count) bytes of data where \(typeName) of shape \(shape) takes \(needed)",
                at: place)
        }
        tensors.append(SourceTensor(name: name, type: type, shape: shape, data: data))
    }

    /// Where an entry says that its bytes are.
    private func data(_ entry: JSON, at place: String) throws(Failure) -> MappedBytes {
        guard let offsets = entry["data_offsets"]?.ints, offsets.count == 2 else {
            throw .badInput("has no data_offsets of two whole numbers", at: place)
        }
        let (begin, end) = (offsets[0], offsets[1])
        let bufferLength = file.bytes.count - bufferStart
        guard begin >= 0, begin <= end, end <= bufferLength else {
            throw .badInput(
                "lies at bytes \(begin) to \(end), outside the \(bufferLength) bytes of data", at: place,
                remedy: "the file may be cut short")
        }
        guard let data = MappedBytes(file, bufferStart + begin..<bufferStart + end) else {
            throw .badInput("lies outside the file", at: place)
        }
        return data
    }

    /// The tensors in order must cover the buffer exactly: bytes that nothing owns or two tensors own are an error.
    private func checkCoverage() throws(Failure) {
        var covered = bufferStart
        for (index, (name, range)) in spans.enumerated() {
            guard range.lowerBound >= covered else {
                throw .badInput("overlaps tensor '\(spans[index - 1].name)'", at: "tensor '\(name)'")
            }
            guard range.lowerBound == covered else {
                throw .badInput(
                    "\(range.lowerBound - covered) bytes before it belong to no tensor",
                    at: "tensor '\(name)'")
            }
            covered = range.upperBound
        }
        guard covered == file.bytes.count else {
            throw .badInput("the last \(file.bytes.count - covered) bytes belong to no tensor")
        }
    }
}
