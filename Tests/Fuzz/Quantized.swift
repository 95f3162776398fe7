import Storage
import TestSupport

@testable import Checkpoints

extension FuzzTarget {
    /// A quantized checkpoint: the length of its config.json, that, and its safetensors file.
    static let quantized = FuzzTarget(
        name: "quantized", maximumLength: 6144,
        words: [
            "quant_method", "bitsandbytes", "compressed-tensors", "modelopt", "torchao", "auto-round", "gptq",
            "awq", "fp8", "quantization", "group_size", "bits", "mode", "affine", "nvfp4", ".qweight",
            ".qzeros",
            ".scales", ".biases", ".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point",
            ".weight.absmax", ".weight.quant_map", ".SCB", "\"U32\"", "\"I32\"", "\"U8\"", "\"F8_E4M3\"",
            "\"F8_E8M0\"", "vision_tower.",
        ],
        seeds: {
            try [
                "bnb-nf4", "bnb-int8", "mlx-affine3", "mlx-nvfp4", "packed-int5", "packed-int3-padded",
                "nvfp4",
                "mxfp8", "gptq-planes7", "gptq-int3", "auto-round-asym", "modelopt-awq", "torchao-int8",
            ].map { name in
                let directory = Fixtures.path("quantized/\(name)")
                let config = try JSON(file: Path.join(directory, "config.json")).serialized()
                return joined(config, try readFile(Path.join(directory, "model.safetensors")))
            }
        },
        read: { bytes in
            guard bytes.count >= 2 else { return }
            let length = Int(bytes[0]) | Int(bytes[1]) << 8
            guard length <= bytes.count - 2 else { return }
            let config = try parsed(Array(bytes[2..<2 + length]))
            let file = try SafetensorsFile(MemoryFile.shared.holding(Array(bytes[(2 + length)...])))
            let stored = try StoredWeights(Checkpoint(file), config: config)
            for weight in stored.weights { try read(weight) }
        })

    /// Reads the first and the last rows, as tiles where those hold them.
    private static func read(_ weight: StoredWeight) throws {
        guard case .derived(let derived) = weight.form, let rows = weight.shape.extents.first, rows > 0 else {
            return
        }
        let columns = weight.shape.rank == 5 ? weight.shape.count / rows : weight.shape.extents.last ?? 0
        guard columns <= 1 << 16 else { return }
        let all = weight.shape.count / columns
        for range in [0..<min(all, 2), max(0, all - 3)..<all] {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: range.count * columns * derived.type.width, alignment: 64)
            defer { buffer.deallocate() }
            try derived.readRows(range, into: buffer)
        }
    }

    private static func joined(_ config: String, _ file: [UInt8]) -> [UInt8] {
        let config = Array(config.utf8)
        return [UInt8(config.count & 255), UInt8(config.count >> 8)] + config + file
    }
}
