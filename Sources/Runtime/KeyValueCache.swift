import CKernels
import GraphIR
import Storage

/// The keys and values of all layers, by layer, key head and position.
public final class KeyValueCache {
    /// How elements are kept.
    public enum Precision: String, CaseIterable, Sendable {
        case float16 = "f16"
        case float32 = "f32"
        /// Codes from -127 to 127, with a float32 scale for each key head and position; keys are mixed first (`tsr_mix_row`).
        case int8 = "i8"

        var type: tsr_float_type {
            switch self {
            case .float16: TSR_F16
            case .float32: TSR_F32
            case .int8: TSR_I8
            }
        }

        /// Bytes of what a head keeps of a position, as keys or as values.
        func rowBytes(_ headDimension: Int) -> Int {
            switch self {
            case .float16: 2 * headDimension
            case .float32: 4 * headDimension
            case .int8: tsr_coded_row_scale(headDimension) + 4
            }
        }
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
        for case .keysAndValues(let layer, let keyHeads, let headDimension)? in part.nodes.map(
            \.operation.state)
        {
            let place = Layer(offset: offset, keyHeads: keyHeads, headDimension: headDimension)
            guard self.layers.updateValue(place, forKey: layer) == nil else {
                throw .badInput(
                    "two attentions share layer \(layer) of the cache", at: "graph '\(part.graph.name)'")
            }
            offset += 2 * keyHeads * precision.rowBytes(headDimension) * capacity
        }
    }

    /// Bytes that a cache takes.
    /// - Throws: `usage` for a capacity below 1, `limit` on overflow.
    static func byteCount(_ part: GraphPart, capacity: Int, precision: Precision) throws(Failure) -> Int {
        guard capacity > 0 else {
            throw Failure(.usage, "a context of \(capacity) tokens is not possible")
        }
        var total = 0
        for case .keysAndValues(_, let keyHeads, let headDimension)? in part.nodes.map(\.operation.state) {
            let row = 2 * keyHeads * precision.rowBytes(headDimension)
            let (bytes, overflow) = row.multipliedReportingOverflow(by: capacity)
            guard !overflow, bytes < 1 << 46 else {
                throw Failure(.limit, "a cache of \(capacity) tokens is beyond every memory")
            }
            total += bytes
        }
        return total
    }

    /// Forgets everything after the first `count` positions.
    func truncate(to count: Int) {
        self.count = min(self.count, max(0, count))
    }

    func advance(by tokens: Int) { count += tokens }

    /// The start of a layer's keys or values and the bytes of a head.
    func part(_ layer: Int, values: Bool) -> (base: UnsafeMutableRawPointer, headBytes: Int) {
        // The plan was compiled from the same graph as the cache.
        guard let layer = layers[layer] else { return (memory.base, 0) }
        let head = capacity * precision.rowBytes(layer.headDimension)
        return (memory.base + layer.offset + (values ? layer.keyHeads * head : 0), head)
    }

    /// Appends rows of keys or values after the `count` positions, without counting them yet.
    ///
    /// A row that is not finite is kept as NaN: an infinite key could have the score −∞, and attention would pass over it.
    func store(
        _ rows: UnsafePointer<Float>, pitch: Int, tokens: Int, layer: Int, values: Bool, keyHeads: Int,
        headDimension: Int
    ) {
        let (base, headBytes) = part(layer, values: values)
        let rowBytes = precision.rowBytes(headDimension)
        for head in 0..<keyHeads {
            for token in 0..<tokens {
                let source = rows + token * pitch + head * headDimension
                let row = base + head * headBytes + (count + token) * rowBytes
                switch precision {
                case .float16:
                    tsr_f32_to_f16(source, headDimension, row.assumingMemoryBound(to: UInt16.self))
                case .float32:
                    row.copyMemory(from: source, byteCount: rowBytes)
                case .int8 where values: tsr_code_row(source, headDimension, row)
                case .int8: codeKey(source, headDimension, row)
                }
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
        let most = precision == .float16 ? "the 65504 that" : "what"
        throw .badInput(
            "a key or value of position \(place.position) is beyond \(most) a cache of \(precision.rawValue) holds",
            at: "layer \(place.layer)", remedy: "--cache-type f32 keeps it")
    }

    /// The first of the layers, and of its positions, whose keys or values are not finite; nil when all are.
    var firstNonFinite: Place? {
        for (number, layer) in layers.sorted(by: { $0.key < $1.key }) {
            var first: Int?
            for values in [false, true] {
                let (base, headBytes) = part(number, values: values)
                let rowBytes = precision.rowBytes(layer.headDimension)
                for head in 0..<layer.keyHeads {
                    let start = base + head * headBytes
                    let found = (0..<count).first { !isFinite(start + $0 * rowBytes, layer.headDimension) }
                    first = [first, found].compactMap(\.self).min()
                }
            }
            if let first { return Place(layer: number, position: first) }
        }
        return nil
    }

    /// Queries meet keys mixed, so that a channel that stands out does not take the others' codes.
    private func codeKey(_ source: UnsafePointer<Float>, _ headDimension: Int, _ row: UnsafeMutableRawPointer)
    {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: headDimension) { mixed in
            guard let base = mixed.baseAddress else { return }
            base.initialize(from: source, count: headDimension)
            tsr_mix_row(base, headDimension)
            tsr_code_row(base, headDimension, row)
        }
    }

    private func fillWithNaN(_ row: UnsafeMutableRawPointer, _ headDimension: Int) {
        switch precision {
        case .float16:
            row.assumingMemoryBound(to: UInt16.self).update(repeating: 0x7E00, count: headDimension)
        case .float32:
            row.assumingMemoryBound(to: Float.self).update(repeating: .nan, count: headDimension)
        // A scale that is NaN already makes all of the row so.
        case .int8: break
        }
    }

    private func isFinite(_ row: UnsafeRawPointer, _ headDimension: Int) -> Bool {
        var index = 0
        return switch precision {
        case .float16, .float32:
            tsr_first_nonfinite(precision.type, row, headDimension, &index) == 0
        case .int8:
            row.loadUnaligned(fromByteOffset: tsr_coded_row_scale(headDimension), as: Float.self).isFinite
        }
    }
}
