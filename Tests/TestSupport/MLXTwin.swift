public import Storage

/// A fixture's checkpoint of Qwen3.5 as mlx-vlm saves it: `sanitize` of `models/qwen3_5` and `models/qwen3_5_moe` of mlx-vlm 0.7.10.
public struct MLXTwin: Sendable {
    /// What is written.
    public var tensors: [TestTensor]
    /// config.json.
    public var config: JSON
    private let source: String

    /// Makes the twin of a folder below `Tests/Fixtures`, whose tensors are bfloat16.
    /// - Parameter rounded: whether norms are rounded to bfloat16 after 1 was added, as the tool does, or kept in float32.
    public init(of fixture: String, rounded: Bool) throws(Failure) {
        source = Fixtures.path(fixture)
        config = try JSON(file: Path.join(source, "config.json"))
        tensors = []
        for name in try Path.list(source).sorted() where name.hasSuffix(".safetensors") {
            for tensor in try readSafetensors(Path.join(source, name)) where !tensor.name.hasPrefix("mtp.") {
                tensors += Self.saved(tensor, rounded: rounded)
            }
        }
    }

    /// Writes the folder.
    public func write(to directory: String) throws(Failure) {
        for name in try Path.list(source) where name != "config.json" && !name.contains("model") {
            try putFile(Path.join(directory, name), readFile(Path.join(source, name)))
        }
        try putFile(Path.join(directory, "config.json"), Array(config.serialized().utf8))
        try writeSafetensors(tensors, to: Path.join(directory, "model.safetensors"))
    }

    private static func saved(_ tensor: TestTensor, rounded: Bool) -> [TestTensor] {
        let name = renamed(tensor.name)
        let matrix = TwinMatrix(tensor)
        if name.hasSuffix("experts.gate_up_proj") {
            return ["gate", "up"].enumerated().map { index, half in
                matrix.expertRows(index, of: 2).tensor(
                    name.replacing("experts.gate_up_proj", with: "switch_mlp.\(half)_proj.weight"))
            }
        }
        if name.hasSuffix("experts.down_proj") {
            return [matrix.tensor(name.replacing("experts.down_proj", with: "switch_mlp.down_proj.weight"))]
        }
        if name.hasSuffix("conv1d.weight") {
            return [matrix.seen(as: [matrix.shape[0], matrix.shape[2], 1]).tensor(name)]
        }
        if name.hasSuffix("patch_embed.proj.weight") { return [matrix.channelsLast.tensor(name)] }
        let norms = [
            ".input_layernorm.weight", ".post_attention_layernorm.weight", "model.norm.weight",
            ".q_norm.weight",
            ".k_norm.weight",
        ]
        guard norms.contains(where: name.hasSuffix) else { return [matrix.tensor(name)] }
        return [matrix.mapped { $0 + 1 }.tensor(name, rounded ? "BF16" : "F32")]
    }

    private static func renamed(_ name: String) -> String {
        for (from, to) in [
            ("model.language_model.", "language_model.model."), ("model.visual.", "vision_tower."),
            ("lm_head.", "language_model.lm_head."),
        ] where name.hasPrefix(from) {
            return to + name.dropFirst(from.count)
        }
        return name
    }
}

extension TwinMatrix {
    /// A convolution [width, channels, frames, patch, patch] with its channels last.
    fileprivate var channelsLast: TwinMatrix {
        let places = shape[2] * shape[3] * shape[4]
        let turned = (0..<shape[0]).flatMap { kernel in
            (0..<places).flatMap { place in
                (0..<shape[1]).map { values[(kernel * shape[1] + $0) * places + place] }
            }
        }
        return TwinMatrix([shape[0], shape[2], shape[3], shape[4], shape[1]], turned)
    }

    /// The matrix as a tensor; to bfloat16 it is rounded to the nearest, ties to even.
    fileprivate func tensor(_ name: String, _ type: String = "BF16") -> TestTensor {
        let bytes =
            type == "F32"
            ? values.flatMap { little($0.bitPattern) }
            : values.flatMap { value in
                let bits = value.bitPattern
                return little(UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16))
            }
        return TestTensor(name, type, shape, bytes)
    }
}
