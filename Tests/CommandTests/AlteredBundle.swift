import Bundles
import Storage

/// Writes a bundle anew with other metadata or other bytes of its tensors, all digests being right, and gives its path.
func rewrite(
    _ bundle: String, at path: String, metadata change: (JSON) -> JSON = { $0 },
    tensors edit: (TensorEntry, inout [UInt8]) -> Void = { _, _ in }
) throws -> String {
    let source = try Bundle(bundle)
    let writer = try BundleWriter(
        OutputPath(path, replacing: true, inputs: []), fingerprint: .null,
        plan: source.tensors.map(\.description))
    for (index, tensor) in source.tensors.enumerated() {
        let mapped = source.bytes(of: tensor)
        var bytes = [UInt8](mapped.bytes)
        withExtendedLifetime(mapped) {}
        edit(tensor, &bytes)
        try writer.append(bytes, to: index)
    }
    _ = try writer.finish(
        graph: source.graphJSON, metadata: change(source.metadata), tokenizer: source.tokenizer)
    return path
}

/// The same with another value of all elements of some float tensors, or of some of them.
func alter(
    _ bundle: String, _ values: [String: Float], elements: Range<Int>? = nil, at path: String
) throws -> String {
    let source = try Bundle(bundle)
    for name in values.keys where source[name] == nil {
        throw Failure.badInput("is not there", at: "tensor '\(name)'")
    }
    func edit(_ tensor: TensorEntry, _ bytes: inout [UInt8]) {
        guard let value = values[tensor.name] else { return }
        let width = tensor.byteCount / tensor.shape.count
        // A BF16 is the upper half of a float.
        let element = withUnsafeBytes(of: value) { Array($0.suffix(width)) }
        for number in elements ?? 0..<tensor.shape.count {
            bytes.replaceSubrange(number * width..<(number + 1) * width, with: element)
        }
    }
    return try rewrite(bundle, at: path, tensors: edit)
}
