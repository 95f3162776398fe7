/// A GGUF file, field by field; every field may lie.
public struct GGUFBytes: Sendable {
    /// A value of the metadata: its type's number, and what follows that.
    public struct Value: Sendable {
        /// Its name.
        public var name: String
        /// The number of its type.
        public var type: UInt32
        /// What follows the type.
        public var bytes: [UInt8]

        /// A value from its parts.
        public init(_ name: String, _ type: UInt32, _ bytes: [UInt8]) {
            (self.name, self.type, self.bytes) = (name, type, bytes)
        }

        /// A text.
        public init(_ name: String, _ text: String) { self.init(name, 8, counted(text)) }

        /// A number of 32 bits.
        public init(_ name: String, _ number: UInt32) { self.init(name, 4, little(number)) }

        /// A number of 32 bits with a point.
        public init(_ name: String, real number: Float) { self.init(name, 6, little(number.bitPattern)) }

        /// Yes or no.
        public init(_ name: String, _ bool: Bool) { self.init(name, 7, [bool ? 1 : 0]) }

        /// An array of numbers of 32 bits.
        public init(_ name: String, _ numbers: [Int32]) {
            self.init(name, 9, little(UInt32(5)) + little(UInt64(numbers.count)) + numbers.flatMap(little))
        }

        /// An array of numbers of 32 bits with a point.
        public init(_ name: String, reals numbers: [Float]) {
            let bytes = numbers.flatMap { little($0.bitPattern) }
            self.init(name, 9, little(UInt32(6)) + little(UInt64(numbers.count)) + bytes)
        }

        /// An array of yes and no.
        public init(_ name: String, _ flags: [Bool]) {
            self.init(name, 9, little(UInt32(7)) + little(UInt64(flags.count)) + flags.map { $0 ? 1 : 0 })
        }

        /// An array of texts.
        public init(_ name: String, _ texts: [String]) {
            self.init(name, 9, little(UInt32(8)) + little(UInt64(texts.count)) + texts.flatMap(counted))
        }
    }

    /// A tensor of the header with its data.
    public struct Tensor: Sendable {
        /// Its name.
        public var name: String
        /// Innermost first.
        public var extents: [UInt64]
        /// The number of its type; 0 is F32.
        public var type: UInt32 = 0
        /// What the header says of its place, if not the truth.
        public var offset: UInt64?
        /// Its bytes.
        public var data: [UInt8]

        /// A tensor of any type.
        public init(_ name: String, _ extents: [UInt64], type: UInt32, _ data: [UInt8]) {
            (self.name, self.extents, self.type, self.data) = (name, extents, type, data)
        }

        /// A tensor of float32.
        public init(_ name: String, _ extents: [UInt64], _ values: [Float]) {
            (self.name, self.extents) = (name, extents)
            data = values.flatMap { little($0.bitPattern) }
        }
    }

    /// What it begins with.
    public var magic = Array("GGUF".utf8)
    /// Of the format.
    public var version: UInt32 = 3
    /// What the header announces, if not as many as there are.
    public var tensorCount, valueCount: UInt64?
    /// What tensors are aligned to.
    public var alignment = 32
    /// The metadata.
    public var values: [Value]
    /// The tensors.
    public var tensors: [Tensor]
    /// What follows the last tensor.
    public var rest: [UInt8] = []

    /// A file of these.
    public init(_ values: [Value], _ tensors: [Tensor]) { (self.values, self.tensors) = (values, tensors) }

    /// The bytes of the value of that name, to be changed; nil takes it out.
    public subscript(value name: String) -> Value? {
        get { values.first { $0.name == name } }
        set {
            guard let place = values.firstIndex(where: { $0.name == name }) else {
                values += [newValue].compactMap(\.self)
                return
            }
            values.replaceSubrange(place...place, with: [newValue].compactMap(\.self))
        }
    }

    /// An imatrix: of each matrix its name, Σ x² expert after expert, and the rows of each.
    public init(imatrix matrices: [(name: String, sums: [Float], counts: [Float])]) {
        self.init(
            [
                Value("general.type", "imatrix"), Value("imatrix.datasets", ["books/one.txt"]),
                Value("imatrix.chunk_count", 8), Value("imatrix.chunk_size", 512),
            ], [])
        for (name, sums, counts) in matrices {
            let experts = UInt64(counts.count)
            tensors.append(Tensor("\(name).in_sum2", [UInt64(sums.count) / experts, experts], sums))
            tensors.append(Tensor("\(name).counts", [1, experts], counts))
        }
    }

    /// The file.
    public var bytes: [UInt8] {
        var bytes = magic + little(version)
        bytes += little(tensorCount ?? UInt64(tensors.count)) + little(valueCount ?? UInt64(values.count))
        for value in values { bytes += counted(value.name) + little(value.type) + value.bytes }
        var data: [UInt8] = []
        for tensor in tensors {
            bytes += counted(tensor.name) + little(UInt32(tensor.extents.count))
            bytes += tensor.extents.flatMap(little) + little(tensor.type)
            bytes += little(tensor.offset ?? UInt64(data.count))
            data += tensor.data
            pad(&data)
        }
        if !tensors.isEmpty { pad(&bytes) }
        bytes += data
        return bytes + rest
    }

    private func pad(_ bytes: inout [UInt8]) {
        bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    }
}

/// The bytes of a number, least significant first.
public func little(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

private func counted(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }
