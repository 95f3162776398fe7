import Glibc
public import Storage

/// A tensor to be written by a test.
public struct TestTensor: Sendable {
    /// As the file will have it.
    public let name: String
    /// Its type as the file has it: `F32`.
    public let type: String
    /// Its extents.
    public let shape: [Int]
    /// Its elements.
    public let bytes: [UInt8]

    /// A tensor from its parts.
    public init(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }
}

/// Writes a sound safetensors file.
public func writeSafetensors(_ tensors: [TestTensor], to path: String) throws(Failure) {
    var members: [JSON.Member] = []
    var data: [UInt8] = []
    for tensor in tensors {
        let range: JSON = [.int(data.count), .int(data.count + tensor.bytes.count)]
        members.append(
            .init(
                tensor.name,
                .pairs([
                    "dtype": .string(tensor.type), "shape": .array(tensor.shape.map(JSON.int)),
                    "data_offsets": range,
                ])))
        data += tensor.bytes
    }
    let header = Array(JSON.object(members).serialized().utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    try writeFile(path, length + header + data)
}

/// Reads a sound safetensors file.
public func readSafetensors(_ path: String) throws(Failure) -> [TestTensor] {
    let file = try readFile(path)
    let length = (0..<8).reduce(0) { $0 | Int(file[$1]) << (8 * $1) }
    let header = try JSON(parsing: Array(file[8..<8 + length]))
    return (header.members ?? []).compactMap { member in
        guard let type = member.value["dtype"]?.string, let shape = member.value["shape"]?.ints,
            let range = member.value["data_offsets"]?.ints
        else { return nil }
        let bytes = file[8 + length + range[0]..<8 + length + range[1]]
        return TestTensor(member.key, type, shape, Array(bytes))
    }
}

/// Makes a folder.
public func makeDirectory(_ path: String) throws(Failure) {
    guard mkdir(path, 0o755) == 0 else { throw .system("cannot make a folder", file: path, errno: errno) }
}
