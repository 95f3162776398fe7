import Storage

/// Which command converts which `model_type`.
enum ModelTypes {
    private static let commands: [String: String] = [
        "qwen": "tessera-from-qwen-vl",
        "qwen2_vl": "tessera-from-qwen2-vl",
        "qwen2_5_vl": "tessera-from-qwen2.5-vl",
        "qwen3_vl": "tessera-from-qwen3-vl",
        "qwen3_vl_moe": "tessera-from-qwen3-vl",
    ]

    /// Refuses a checkpoint of another generation, saying which command wants it.
    /// - Returns: its `model_type`.
    static func check(_ config: JSON, against supported: [String], file: String) throws(Failure) -> String {
        guard let type = config["model_type"]?.string else {
            throw .badInput("lacks 'model_type'", file: file)
        }
        guard !supported.contains(type) else { return type }
        throw .badInput(
            "is of model type '\(type)', not '\(supported.joined(separator: "' or '"))'", file: file,
            remedy: commands[type].map { "use \($0)" })
    }
}
