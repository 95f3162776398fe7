public import Bundles
import Storage

/// Tensors counted by how they are stored.
public struct EncodingTable {
    /// The table.
    public let text: String

    /// Counts `tensors` by their encoding.
    public init(_ tensors: [TensorDescription]) {
        var order: [String] = []
        var counts: [String: (tensors: Int, values: Int, bytes: Int)] = [:]
        for tensor in tensors {
            let name = "\(tensor.encoding)"
            if counts[name] == nil { order.append(name) }
            let old = counts[name] ?? (0, 0, 0)
            counts[name] = (old.tensors + 1, old.values + tensor.shape.count, old.bytes + tensor.byteCount)
        }
        var table = Table("encoding", "tensors", "values", "bytes", "bits")
        for name in order {
            guard let count = counts[name] else { continue }
            table.add(
                name, "\(count.tensors)", "\(count.values)", ByteCount.text(count.bytes),
                fixed(Double(count.bytes) * 8 / Double(max(1, count.values)), 2))
        }
        text = table.text
    }
}
