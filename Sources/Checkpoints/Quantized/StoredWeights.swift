public import Storage

/// The weights of a checkpoint, whatever they are stored as.
public struct StoredWeights: Sendable {
    /// In the order of the tensors that hold their numbers.
    public let weights: [StoredWeight]
    /// Tensors beside packed weights that nothing needs, and why.
    public let unneeded: [(name: String, reason: String)]
    /// How they are quantized, for people; nil for a checkpoint of full precision.
    public let quantization: String?

    /// The keys of config.json that say how weights are quantized.
    public static let settings = ["quantization_config", "quantization", "compression_config"]

    /// Whether norms that multiply by 1 + w, and are published as w, hold the whole of it, as other tools write them.
    public let hasWholeNorms: Bool

    /// Weights that were found otherwise.
    public init(
        _ weights: [StoredWeight], unneeded: [(name: String, reason: String)] = [],
        hasWholeNorms: Bool = false
    ) {
        self.weights = weights
        (self.unneeded, self.hasWholeNorms, quantization) = (unneeded, hasWholeNorms, nil)
    }

    /// Every weight of `checkpoint`.
    ///
    /// The tensors of packed weights (`X.qweight`, `X.qzeros`, ...) become one weight `X.weight`. All shapes and types are checked
    /// against each other; of the tensors' content only what orders columns or describes others is read.
    /// - Parameters:
    ///   - config: config.json.
    ///   - file: where it is, for messages.
    /// - Throws: `.badInput` when it is quantized in a way that there is no reader for, when a packed weight lacks a tensor, when
    ///   one is left over, misshapen or of another type, or when a weight is there both packed and plain.
    public init(_ checkpoint: Checkpoint, config: JSON, file: String = "config.json") throws(Failure) {
        let quantized = try QuantizedCheckpoint(checkpoint, config: config, file: file)
        guard let format = try WeightFormats.format(of: quantized) else {
            weights = checkpoint.tensors.map { StoredWeight($0) }
            (unneeded, quantization, hasWholeNorms) = ([], nil, false)
            return
        }
        quantization = type(of: format).title
        hasWholeNorms = format.hasWholeNorms
        var packed: [String: any DerivedWeight] = [:]
        var taken: Set<String> = []
        for tensor in checkpoint.tensors {
            guard let module = format.module(of: tensor) else { continue }
            var tensors = PackedTensors(checkpoint, module: module, main: tensor)
            packed[tensor.name] = try format.weight(&tensors)
            taken.formUnion(tensors.sources)
        }
        var unneeded: [(name: String, reason: String)] = []
        var weights: [StoredWeight] = []
        var names: Set<String> = []
        for tensor in checkpoint.tensors {
            if let weight = packed[tensor.name] {
                weights.append(StoredWeight(weight))
            } else if taken.contains(tensor.name) {
                continue
            } else if let reason = Self.reason(leavingOut: tensor) {
                unneeded.append((tensor.name, reason))
                continue
            } else if format.suffixes.contains(where: { tensor.name.hasSuffix(".\($0)") }) {
                throw tensor.failure("belongs to a packed weight that is not there")
            } else {
                weights.append(try format.plain(tensor))
            }
            if let weight = weights.last, !names.insert(weight.name).inserted {
                throw tensor.failure("is weight '\(weight.name)', which is there already")
            }
        }
        self.weights = weights
        self.unneeded = unneeded
    }

    /// Why a tensor beside quantized weights is of no use here; nil when it may be.
    private static func reason(leavingOut tensor: SourceTensor) -> String? {
        let word = tensor.name.split(separator: ".").last ?? ""
        if ["k_scale", "v_scale", "q_scale"].contains(word) { return "a scale of a quantized cache" }
        let activations = [
            "input_scale", "activation_scale", "input_global_scale", "output_scale", "input_zero_point",
        ]
        return activations.contains(String(word))
            ? "a scale of activations, which are scaled anew for each token" : nil
    }
}
