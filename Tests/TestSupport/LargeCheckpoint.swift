public import Storage

/// A checkpoint of some size, made of a small one: its MLPs are wider, their weights repeat.
public enum LargeCheckpoint {
    /// Writes it into a folder: some 200 MB, in tensors of 16.
    /// - Parameter width: of the MLPs.
    public static func write(to folder: String, width: Int = 65536) throws(Failure) {
        let demo = Fixtures.path("demo-qwen2-vl")
        for name in try Path.list(demo) where !name.hasSuffix("safetensors") {
            var bytes = try readFile(Path.join(demo, name))
            if name == "config.json" {
                let text = String(decoding: bytes, as: UTF8.self)
                bytes = Array(
                    text.replacing("\"intermediate_size\": 384", with: "\"intermediate_size\": \(width)").utf8
                )
            }
            try putFile(Path.join(folder, name), bytes)
        }
        let tensors = try readSafetensors(Path.join(demo, "model.safetensors")).map { tensor in
            tensor.name.contains(".mlp.") && tensor.name.hasPrefix("model.layers")
                ? TestTensor(
                    tensor.name, tensor.type, tensor.shape.map { $0 == 384 ? width : $0 }, tensor.bytes)
                : tensor
        }
        try writeRepeated(tensors, to: Path.join(folder, "model.safetensors"))
    }

    /// Like `writeSafetensors`, for tensors whose bytes are repeated until their shapes are full.
    private static func writeRepeated(_ tensors: [TestTensor], to path: String) throws(Failure) {
        var members: [JSON.Member] = []
        var end = 0
        for tensor in tensors {
            let count = tensor.shape.reduce(2, *)
            members.append(
                .init(
                    tensor.name,
                    .pairs([
                        "dtype": .string(tensor.type), "shape": .array(tensor.shape.map(JSON.int)),
                        "data_offsets": [.int(end), .int(end + count)],
                    ])))
            end += count
        }
        let header = Array(JSON.object(members).serialized().utf8)
        let output = try OutputFile(creating: path)
        try output.write((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }, at: 0)
        try output.write(header, at: 8)
        var start = 8 + header.count
        for tensor in tensors {
            let count = tensor.shape.reduce(2, *)
            for place in stride(from: 0, to: count, by: tensor.bytes.count) {
                try output.write(Array(tensor.bytes.prefix(count - place)), at: start + place)
            }
            start += count
        }
    }
}
