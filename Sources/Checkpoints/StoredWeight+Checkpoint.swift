public import Storage

extension StoredWeight {
    /// Every weight of `checkpoint`, in the order of the tensors that hold their numbers.
    ///
    /// With a quantization, the tensors of packed weights (`X.qweight`, `X.qzeros`, ...) become one weight `X.weight`. All
    /// shapes and types are checked against each other; of the tensors' content only what orders columns is read.
    /// - Throws: `.badInput` when a packed weight lacks a tensor, when one is left over, misshapen or of another type, when
    ///   a group index points nowhere, or when a weight is there both packed and plain.
    public static func all(
        of checkpoint: Checkpoint, quantization: QuantizationConfig?
    ) throws(Failure) -> [StoredWeight] {
        guard let scheme = quantization?.scheme else { return checkpoint.tensors.map { StoredWeight($0) } }
        var packed: [String: PackedWeight] = [:]
        var taken: Set<String> = []
        for tensor in checkpoint.tensors {
            guard let module = scheme.module(of: tensor) else { continue }
            let weight = try PackedWeight(
                PackedTensors(checkpoint, module: module, main: tensor), scheme)
            packed[tensor.name] = weight
            taken.formUnion(weight.sources)
        }
        var weights: [StoredWeight] = []
        var names: Set<String> = []
        for tensor in checkpoint.tensors {
            if let weight = packed[tensor.name] {
                weights.append(StoredWeight(weight))
            } else if taken.contains(tensor.name) {
                continue
            } else if scheme.suffixes.contains(where: { tensor.name.hasSuffix(".\($0)") }) {
                throw tensor.failure("belongs to a packed weight that is not there")
            } else {
                weights.append(StoredWeight(tensor))
            }
            if let weight = weights.last, !names.insert(weight.name).inserted {
                throw tensor.failure("is weight '\(weight.name)', which is there already")
            }
        }
        return weights
    }
}

extension QuantizationConfig.Scheme {
    /// What the name of the tensor of codes ends in.
    private var mainSuffix: String {
        switch self {
        case .gptq, .awq: "qweight"
        case .packed: "weight_packed"
        case .bytes, .float8: "weight"
        }
    }

    /// What the names of tensors beside plain ones end in.
    fileprivate var suffixes: [String] {
        switch self {
        case .gptq, .awq: ["qweight", "qzeros", "scales", "g_idx"]
        case .packed: ["weight_packed", "weight_shape", "weight_scale", "weight_zero_point", "weight_g_idx"]
        case .bytes: ["weight_scale", "weight_zero_point"]
        case .float8(_, let suffix): [suffix]
        }
    }

    /// The module whose codes `tensor` holds, or nil when it holds none.
    fileprivate func module(of tensor: SourceTensor) -> String? {
        guard tensor.name.hasSuffix("." + mainSuffix) else { return nil }
        switch self {
        case .bytes where tensor.type != .int8: return nil
        case .float8 where tensor.type != .float8: return nil
        default: return String(tensor.name.dropLast(mainSuffix.count + 1))
        }
    }
}

extension PackedWeight {
    fileprivate init(_ tensors: PackedTensors, _ scheme: QuantizationConfig.Scheme) throws(Failure) {
        switch scheme {
        case .gptq(let codes, let zerosLessOne, let reordered):
            try self.init(tensors, gptq: codes, zerosLessOne: zerosLessOne, reordered: reordered)
        case .awq(let groupSize): try self.init(tensors, awq: groupSize)
        case .packed(let codes, let symmetric): try self.init(tensors, packed: codes, symmetric: symmetric)
        case .bytes(let groupSize, let symmetric):
            try self.init(tensors, bytes: groupSize, symmetric: symmetric)
        case .float8(let scales, let suffix): try self.init(tensors, float8: scales, suffix: suffix)
        }
    }
}
