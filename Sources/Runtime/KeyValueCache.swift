import CKernels
import GraphIR
import Storage

/// The keys and values of all layers, by layer, key head and position.
public final class KeyValueCache {
    /// How elements are kept.
    public enum Precision: String, CaseIterable, Sendable {
        case float16 = "f16"
        case float32 = "f32"

        var type: tsr_float_type { self == .float16 ? TSR_F16 : TSR_F32 }
        var width: Int { self == .float16 ? 2 : 4 }
    }

    /// The extents that a layer's attention gives its part.
    struct Layer {
        let offset: Int
        let keyHeads: Int
        let headDimension: Int
    }

    /// Positions there is room for.
    public let capacity: Int
    /// How elements are kept.
    public let precision: Precision
    /// Positions filled.
    public private(set) var count = 0
    private let memory: AnonymousMemory
    private(set) var layers: [Int: Layer] = [:]
    /// The first finite number stored that float16 does not hold.
    private var overflow: Place?

    /// Where keys or values of a position are.
    struct Place: Equatable {
        let layer: Int
        let position: Int
    }

    /// Positions that any cache may have: more are beyond what positions can count.
    public static let largestCapacity = 1 << 30

    /// A cache for the causal attentions of `part` over at most `capacity` positions.
    /// - Throws: `usage` for a capacity below 1, `limit` when memory has no room for it, before any is taken.
    init(_ part: GraphPart, capacity: Int, precision: Precision) throws(Failure) {
        let layers = KeyValueCache.attentions(part)
        self.capacity = capacity
        self.precision = precision
        let bytes = try KeyValueCache.byteCount(part, capacity: capacity, precision: precision)
        try Machine.checkMemory(
            for: "a cache of \(capacity) tokens", bytes, remedy: "use a smaller --ctx-size")
        guard capacity <= KeyValueCache.largestCapacity else {
            throw Failure(
                .limit, "a cache holds \(KeyValueCache.largestCapacity) tokens at most, not \(capacity)")
        }
        memory = try AnonymousMemory(hollow: bytes)
        var offset = 0
        for (layer, attention) in layers {
            let place = Layer(
                offset: offset, keyHeads: attention.keyHeads, headDimension: attention.headDimension)
            guard self.layers.updateValue(place, forKey: layer) == nil else {
                throw .badInput(
                    "two attentions share layer \(layer) of the cache", at: "graph '\(part.graph.name)'")
            }
            offset += 2 * attention.keyHeads * attention.headDimension * capacity * precision.width
        }
    }

    /// Bytes that a cache takes.
    /// - Throws: `usage` for a capacity below 1, `limit` on overflow.
    static func byteCount(_ part: GraphPart, capacity: Int, precision: Precision) throws(Failure) -> Int {
        guard capacity > 0 else {
            throw Failure(.usage, "a context of \(capacity) tokens is not possible")
        }
        var total = 0
        for (_, attention) in attentions(part) {
            let row = 2 * attention.keyHeads * attention.headDimension * precision.width
            let (bytes, overflow) = row.multipliedReportingOverflow(by: capacity)
            guard !overflow, bytes < 1 << 46 else {
                throw Failure(.limit, "a cache of \(capacity) tokens is beyond every memory")
            }
            total += bytes
        }
        return total
    }

    private static func attentions(_ part: GraphPart) -> [(Int, Operation.Attention)] {
        part.nodes.compactMap { node in
            if case .attention(let attention) = node.operation, case .causal(let layer) = attention.extent {
                (layer, attention)
            } else {
                nil
            }
        }
    }

    /// Forgets everything after the first `count` positions.
    public func truncate(to count: Int) {
        self.count = min(self.count, max(0, count))
    }

    func advance(by tokens: Int) { count += tokens }

    /// The start of a layer's keys or values and the stride between heads, in elements.
    func part(_ layer: Int, values: Bool) -> (base: UnsafeMutableRawPointer, headStride: Int) {
        // The plan was compiled from the same graph as the cache.
        guard let layer = layers[layer] else { return (memory.base, 0) }
        let stride = capacity * layer.headDimension
        let start = layer.offset + (values ? layer.keyHeads * stride * precision.width : 0)
        return (memory.base + start, stride)
    }

    /// Appends rows of keys or values after the `count` positions, without counting them yet.
    ///
    /// A row that is not finite is kept as NaN: an infinite key could have the score −∞, and attention would pass over it.
    func store(
        _ rows: UnsafePointer<Float>, pitch: Int, tokens: Int, layer: Int, values: Bool, keyHeads: Int,
        headDimension: Int
    ) {
        let (base, headStride) = part(layer, values: values)
        for head in 0..<keyHeads {
            let target = base + (head * headStride + count * headDimension) * precision.width
            for token in 0..<tokens {
                let source = rows + token * pitch + head * headDimension
                let row = target + token * headDimension * precision.width
                switch precision {
                case .float16:
                    tsr_f32_to_f16(source, headDimension, row.assumingMemoryBound(to: UInt16.self))
                case .float32:
                    row.copyMemory(from: source, byteCount: headDimension * 4)
                }
            }
            guard !isFinite(target, tokens * headDimension) else { continue }
            for token in 0..<tokens {
                let source = rows + token * pitch + head * headDimension
                let row = target + token * headDimension * precision.width
                guard !isFinite(row, headDimension) else { continue }
                var index = 0
                if tsr_first_nonfinite(TSR_F32, source, headDimension, &index) == 0 {
                    overflow = overflow ?? Place(layer: layer, position: count + token)
                }
                fillWithNaN(row, headDimension)
            }
        }
    }

    /// - Throws: `badInput` when a key or value stored since the last check is beyond what the cache holds.
    func check() throws(Failure) {
        guard let place = overflow else { return }
        overflow = nil
        throw .badInput(
            "a key or value of position \(place.position) is beyond the 65504 that a cache of f16 holds",
            at: "layer \(place.layer)", remedy: "--cache-type f32 keeps it")
    }

    /// The first of the layers, and of its positions, whose keys or values are not finite; nil when all are.
    var firstNonFinite: Place? {
        for (number, layer) in layers.sorted(by: { $0.key < $1.key }) {
            var first: Int?
            for values in [false, true] {
                let (base, stride) = part(number, values: values)
                for head in 0..<layer.keyHeads {
                    var index = 0
                    let start = base + head * stride * precision.width
                    let found = tsr_first_nonfinite(
                        precision.type, start, count * layer.headDimension, &index)
                    if found != 0 { first = min(first ?? .max, index / layer.headDimension) }
                }
            }
            if let first { return Place(layer: number, position: first) }
        }
        return nil
    }

    private func fillWithNaN(_ elements: UnsafeMutableRawPointer, _ count: Int) {
        switch precision {
        case .float16:
            elements.assumingMemoryBound(to: UInt16.self).update(repeating: 0x7E00, count: count)
        case .float32: elements.assumingMemoryBound(to: Float.self).update(repeating: .nan, count: count)
        }
    }

    private func isFinite(_ elements: UnsafeRawPointer, _ count: Int) -> Bool {
        var index = 0
        return tsr_first_nonfinite(precision.type, elements, count, &index) == 0
    }
}
