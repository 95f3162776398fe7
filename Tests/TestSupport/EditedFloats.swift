public import Storage

/// The tensors of a checkpoint's folder, to be changed: bfloat16 and float32 as floats.
public struct EditedFloats {
    private let folder: String
    /// By file, in its order.
    private var files: [(name: String, tensors: [TestTensor])] = []

    /// Reads all safetensors files of a folder.
    public init(_ folder: String) throws(Failure) {
        self.folder = folder
        for name in try Path.list(folder) where name.hasSuffix(".safetensors") {
            files.append((name, try readSafetensors(Path.join(folder, name))))
        }
    }

    /// The names of all tensors.
    public var names: [String] { files.flatMap { $0.tensors.map(\.name) } }

    /// Changes the values of a tensor, of which `body` is told the columns: those of its last extent.
    public mutating func change(_ name: String, _ body: (inout [Float], _ columns: Int) -> Void)
        throws(Failure)
    {
        let place = try place(name)
        let tensor = files[place.file].tensors[place.tensor]
        let isShort = tensor.type == "BF16"
        guard isShort || tensor.type == "F32" else { throw .badInput("is \(tensor.type)", at: name) }
        var values = tensor.bytes.withUnsafeBytes { bytes -> [Float] in
            isShort
                ? bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
                : Array(bytes.bindMemory(to: Float.self))
        }
        body(&values, tensor.shape.last ?? 1)
        let bytes = values.flatMap { value in
            // To nearest; a BF16 is the upper half of a float.
            let bits =
                isShort
                ? (value.bitPattern &+ 0x7FFF &+ (value.bitPattern >> 16 & 1)) >> 16 : value.bitPattern
            return (0..<(isShort ? 2 : 4)).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
        }
        files[place.file].tensors[place.tensor] = TestTensor(name, tensor.type, tensor.shape, bytes)
    }

    /// Gives each of two tensors of one shape the other's values.
    public mutating func swap(_ first: String, _ second: String) throws(Failure) {
        let (a, b) = (try place(first), try place(second))
        let (one, two) = (files[a.file].tensors[a.tensor], files[b.file].tensors[b.tensor])
        files[a.file].tensors[a.tensor] = TestTensor(first, two.type, two.shape, two.bytes)
        files[b.file].tensors[b.tensor] = TestTensor(second, one.type, one.shape, one.bytes)
    }

    /// Writes the files again.
    public func write() throws(Failure) {
        for file in files { try writeSafetensors(file.tensors, to: Path.join(folder, file.name)) }
    }

    private func place(_ name: String) throws(Failure) -> (file: Int, tensor: Int) {
        for (number, file) in files.enumerated() {
            if let index = file.tensors.firstIndex(where: { $0.name == name }) { return (number, index) }
        }
        throw .badInput("is not there", file: folder, at: "tensor '\(name)'")
    }
}

extension [Float] {
    /// Gives each of two runs of values of one length the other's.
    public mutating func exchange(_ first: Range<Int>, _ second: Range<Int>) {
        let kept = Array(self[first])
        replaceSubrange(first, with: Array(self[second]))
        replaceSubrange(second, with: kept)
    }
}
