internal import Storage

/// The tensors that one packed weight is stored as: `module.qweight`, `module.scales`, ...
struct PackedTensors {
    let checkpoint: Checkpoint
    /// The name up to the last dot.
    let module: String
    /// The tensor that makes it a packed weight.
    let main: SourceTensor
    /// The name of the weight.
    var weightName: String
    /// Names taken so far.
    private(set) var sources: [String]

    init(_ checkpoint: Checkpoint, module: String, main: SourceTensor) {
        self.checkpoint = checkpoint
        self.module = module
        self.main = main
        weightName = "\(module).weight"
        sources = [main.name]
    }

    /// The tensor of that suffix, which must be there, with one of these types.
    mutating func take(_ suffix: String, _ types: [ElementType]) throws(Failure) -> SourceTensor {
        guard let tensor = try takeOptional(suffix, types) else {
            throw main.failure(
                "lacks '\(module).\(suffix)'",
                remedy: "is the checkpoint complete, and its config.json its own?")
        }
        return tensor
    }

    mutating func takeOptional(_ suffix: String, _ types: [ElementType]) throws(Failure) -> SourceTensor? {
        let name = "\(module).\(suffix)"
        guard let tensor = checkpoint[name] else {
            guard let other = checkpoint.passedOver.first(where: { $0.name == name }) else { return nil }
            throw main.failure("needs '\(name)', which is \(other.kind): there is no reader for that")
        }
        try tensor.require(types)
        sources.append(tensor.name)
        return tensor
    }

    /// What the first of several readers makes of the tensors that does not refuse them.
    /// - Throws: what the first one has against them, when all refuse.
    mutating func firstFit<Choice>(
        _ choices: [Choice],
        _ read: (inout PackedTensors, Choice) throws(Failure) -> any DerivedWeight
    ) throws(Failure) -> any DerivedWeight {
        var refusal: Failure?
        for choice in choices {
            var attempt = self
            do {
                let weight = try read(&attempt, choice)
                self = attempt
                return weight
            } catch { refusal = refusal ?? error }
        }
        throw refusal ?? main.failure("belongs to no group of the configuration")
    }
}

extension SourceTensor {
    func require(_ types: [ElementType]) throws(Failure) {
        guard types.contains(type) else {
            let expected = types.map(\.rawValue).joined(separator: " or ")
            throw failure("holds \(type.rawValue) instead of \(expected)")
        }
    }

    /// N and K, or whatever a matrix's extents mean.
    func matrix() throws(Failure) -> (rows: Int, columns: Int) {
        guard shape.rank == 2, shape.count > 0 else {
            throw failure("has shape \(shape), which is no matrix")
        }
        return (shape.extents[0], shape.extents[1])
    }

    func requireShape(_ extents: [Int]...) throws(Failure) {
        guard extents.contains(shape.extents) else {
            throw failure("has shape \(shape) instead of \(extents[0])")
        }
    }

    /// Element `index` of a tensor of 32- or 64-bit integers.
    func integer(_ index: Int) -> Int {
        let (bytes, offset) = (data.bytes, index * type.width)
        return type == .int64
            ? Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
            : Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }

    /// The only element of a tensor of float32.
    func scalar() throws(Failure) -> Float {
        try requireShape([1], [], [1, 1])
        let value = data.bytes.loadUnaligned(as: Float.self)
        guard value.isFinite else { throw failure("is \(value)") }
        return value
    }
}

/// ⌈extent / size⌉ of an extent above 0.
func groupCount(_ extent: Int, _ size: Int) -> Int { (extent - 1) / size + 1 }
