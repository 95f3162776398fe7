internal import Storage

/// A checkpoint, and what its files say of how it was quantized.
struct QuantizedCheckpoint {
    let checkpoint: Checkpoint
    /// `quantization_config` of config.json, or what a file of its own says; nil when none says anything.
    let statement: QuantizationKeys?
    /// `quantization` of config.json, as MLX writes it.
    let mlx: QuantizationKeys?

    /// Files that tools write beside config.json, of which newer ones copy the content into it.
    private static let files = [
        "quantize_config.json", "quant_config.json", "quantization_config.json", "hf_quant_config.json",
    ]

    /// - Parameters:
    ///   - config: config.json.
    ///   - file: where it is, for messages.
    init(_ checkpoint: Checkpoint, config: JSON, file: String) throws(Failure) {
        self.checkpoint = checkpoint
        mlx = config["quantization"].map { QuantizationKeys($0, file: file, path: "quantization") }
        guard mlx == nil || mlx?.json.members != nil else {
            throw .badInput("is no object", file: file, at: "quantization")
        }
        for key in ["quantization_config", "compression_config"] {
            guard let json = config[key] else { continue }
            statement = QuantizationKeys(json, file: file, path: key)
            return
        }
        for name in Self.files {
            let path = Path.join(checkpoint.directory, name)
            guard Path.isRegularFile(path) else { continue }
            let json = try JSON(file: path, limit: 16 << 20)
            statement = QuantizationKeys(json["quantization"] ?? json, file: path, path: "")
            return
        }
        statement = nil
    }

    /// The statement, if it names one of these methods.
    func statement(of methods: [String]) -> QuantizationKeys? {
        statement.flatMap { keys in
            keys.json["quant_method"]?.string.map(methods.contains) == true ? keys : nil
        }
    }

    /// Whether nothing says what it is, so that its tensors have to show it.
    var isSilent: Bool { statement?.json["quant_method"] == nil }

    /// Whether the name of a tensor ends so.
    func hasTensor(_ suffix: String) -> Bool { checkpoint.names.contains { $0.hasSuffix(suffix) } }
}
