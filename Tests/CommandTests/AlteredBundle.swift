import Bundles
import Storage

/// Writes a bundle in which all elements of some float tensors, or some of them, have another value, all digests being
/// right, and gives its path.
func alter(
    _ bundle: String, _ values: [String: Float], elements: Range<Int>? = nil, at path: String
) throws -> String {
    let source = try Bundle(bundle)
    let writer = try BundleWriter(
        OutputPath(path, replacing: true, inputs: []), fingerprint: .null,
        plan: source.tensors.map(\.description))
    for (index, tensor) in source.tensors.enumerated() {
        let mapped = source.bytes(of: tensor)
        var bytes = [UInt8](mapped.bytes)
        withExtendedLifetime(mapped) {}
        if let value = values[tensor.name] {
            let width = tensor.byteCount / tensor.shape.count
            // A BF16 is the upper half of a float.
            let element = withUnsafeBytes(of: value) { Array($0.suffix(width)) }
            for number in elements ?? 0..<tensor.shape.count {
                bytes.replaceSubrange(number * width..<(number + 1) * width, with: element)
            }
        }
        try writer.append(bytes, to: index)
    }
    for name in values.keys where source[name] == nil {
        throw Failure.badInput("is not there", at: "tensor '\(name)'")
    }
    _ = try writer.finish(
        graph: source.graphJSON, metadata: source.metadata, tokenizer: source.tokenizer)
    return path
}
