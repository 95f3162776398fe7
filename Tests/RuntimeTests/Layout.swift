import Checkpoints
import Storage
import TestSupport

/// How a checkpoint's tensors are named, typed and laid out: as published, or as others save the same weights.
enum Layout: String, CaseIterable {
    case published
    /// As transformers saves it today: nested names, nested configuration, one file.
    case nested
    case nestedFloat32
    case nestedFloat64
    /// As `nested`, with every expert's weights as rows of outputs, fused: [experts, N, K].
    case expertsOutputsFirst
    /// As `nested`, with every expert's weights in tensors of their own.
    case expertsApart

    /// The layouts that tell something of a fixture.
    static func all(of fixture: String) -> [Layout] {
        switch fixture {
        case "qwen2-vl": [.published, .nested, .nestedFloat32, .nestedFloat64]
        case "qwen3-vl-moe": [.published, .nested, .expertsOutputsFirst, .expertsApart]
        case "qwen3.5-moe": [.published, .nested, .expertsApart]
        default: [.published, .nested, .nestedFloat32]
        }
    }

    /// Writes a fixture's checkpoint in this layout into the new folder `target`.
    func write(_ fixture: String, to target: String) throws {
        try makeDirectory(target)
        let published = Fixtures.path("\(fixture)/published")
        let configuration = self == .published ? published : Fixtures.path("\(fixture)/nested")
        for file in try Path.list(published) where file.hasSuffix("config.json") {
            try copy(file, from: published, to: target)
        }
        try copy("config.json", from: configuration, to: target)
        let isOutputsFirst = fixture == "qwen3.5-moe"
        let tensors = try Checkpoint(published).tensors.flatMap { rewritten($0, isOutputsFirst) }
        try writeSafetensors(tensors, to: Path.join(target, "model.safetensors"))
    }

    private func copy(_ file: String, from source: String, to target: String) throws {
        try writeFile(Path.join(target, file), try readFile(Path.join(source, file)))
    }

    /// - Parameter isOutputsFirst: whether fused experts are published as rows of outputs.
    private func rewritten(_ tensor: SourceTensor, _ isOutputsFirst: Bool) -> [TestTensor] {
        let (extents, bytes) = (tensor.shape.extents, [UInt8](tensor.data.bytes))
        if self == .expertsOutputsFirst || self == .expertsApart, tensor.name.contains(".experts.") {
            let turned = isOutputsFirst ? bytes : transposed(bytes, extents)
            let shape = isOutputsFirst ? extents : [extents[0], extents[2], extents[1]]
            return self == .expertsOutputsFirst
                ? [TestTensor(tensor.name, "BF16", shape, turned)] : apart(tensor.name, shape, turned)
        }
        switch self {
        case .nestedFloat32: return [TestTensor(name(tensor), "F32", extents, widened(bytes))]
        case .nestedFloat64: return [TestTensor(name(tensor), "F64", extents, widenedTwice(bytes))]
        default: return [TestTensor(name(tensor), "BF16", extents, bytes)]
        }
    }

    /// Qwen3-VL's names are nested as published.
    private func name(_ tensor: SourceTensor) -> String {
        let name = tensor.name
        if self == .published || name.hasPrefix("model.visual.") || name.hasPrefix("model.language_model.") {
            return name
        }
        if name.hasPrefix("visual.") { return "model." + name }
        return name.hasPrefix("model.") ? "model.language_model." + name.dropFirst(6) : name
    }

    /// [experts, K, N] of 16-bit elements → [experts, N, K].
    private func transposed(_ bytes: [UInt8], _ extents: [Int]) -> [UInt8] {
        var result = bytes
        for expert in 0..<extents[0] {
            for k in 0..<extents[1] {
                for n in 0..<extents[2] {
                    let source = 2 * ((expert * extents[1] + k) * extents[2] + n)
                    let target = 2 * ((expert * extents[2] + n) * extents[1] + k)
                    result[target..<target + 2] = bytes[source..<source + 2]
                }
            }
        }
        return result
    }

    /// The weights of each expert from rows of outputs of all of them, [experts, N, K].
    private func apart(_ name: String, _ extents: [Int], _ bytes: [UInt8]) -> [TestTensor] {
        let parts = name.hasSuffix("gate_up_proj") ? ["gate_proj", "up_proj"] : ["down_proj"]
        let prefix = name.split(separator: ".").dropLast().joined(separator: ".")
        let shape = [extents[1] / parts.count, extents[2]]
        let size = 2 * shape[0] * shape[1]
        return (0..<extents[0]).flatMap { expert in
            parts.enumerated().map { index, part in
                let start = (expert * parts.count + index) * size
                return TestTensor(
                    "\(prefix).\(expert).\(part).weight", "BF16", shape, Array(bytes[start..<start + size]))
            }
        }
    }

    private func widenedTwice(_ bytes: [UInt8]) -> [UInt8] {
        let floats = widened(bytes).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return floats.map(Double.init).withUnsafeBytes(Array.init)
    }

    /// bf16 is the upper half of f32.
    private func widened(_ bytes: [UInt8]) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: 2).flatMap { [0, 0, bytes[$0], bytes[$0 + 1]] }
    }
}
