public import Bundles
public import GraphIR
public import Storage

/// What running will take, known before it runs.
public struct MemoryEstimate: Sendable {
    /// Bytes of the file that are mapped; the system drops and rereads them as it likes.
    public let mapped: Int
    /// Bytes of the keys and values of a full context, and of the states that are kept.
    public let cache: Int
    /// The largest arena of activations.
    public let arena: Int
    /// Visual rows, logits and their copies.
    public let rows: Int

    /// Memory that only this process can hold.
    public var anonymous: Int { cache + arena + rows }

    init(_ mapped: Int, cache: Int, arena: Int, rows: Int) {
        self.mapped = mapped
        self.cache = cache
        self.arena = arena
        self.rows = rows
    }

    /// What a model will take whose weights are to be stored as `tensors` say, before any of them is.
    /// - Parameters: as of `Engine.estimateMemory`.
    public init(
        planning graph: ModelGraph, _ tensors: [TensorDescription], _ options: Engine.Options, capacity: Int,
        patches: Int, segments: Int
    ) throws(Failure) {
        // Plans look at how weights are stored, not at their values: pages that nobody touches will do.
        let hollow = try AnonymousMemory(hollow: tensors.map(\.byteCount).max() ?? 0)
        let stored = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        let engine = try Engine(graph, options) { (name) in
            stored[name].map {
                LentWeight(
                    $0.encoding, $0.shape,
                    UnsafeRawBufferPointer(start: hollow.base, count: $0.byteCount), owner: hollow)
            }
        }
        self = try engine.estimateMemory(
            capacity: capacity, patches: patches, segments: segments,
            mapped: tensors.reduce(0) { $0 + $1.byteCount })
    }
}

extension Engine {
    /// The memory that a context of `capacity` tokens and pictures of `patches` patches will take.
    /// - Parameters:
    ///   - patches: of the largest picture or video; 0 for none.
    ///   - segments: its frames.
    ///   - others: of each further picture or video, which wait while one is encoded.
    ///   - outputs: tokens whose logits are computed at once.
    ///   - options: how it is run; the engine's own unless given.
    /// - Throws: `usage` for numbers below 0 or a capacity below 1, `limit` on overflow.
    public func estimateMemory(
        capacity: Int, patches: Int, segments: Int, others: [Int] = [], outputs: Int = 1, mapped: Int,
        _ options: Options? = nil
    ) throws(Failure) -> MemoryEstimate {
        let options = options ?? self.options
        let all = others + [patches]
        guard all.allSatisfy({ (0...1 << 31).contains($0) }), all.count <= 1 << 12,
            all.reduce(0, +) <= 1 << 31, (0...1 << 31).contains(segments), (1...1 << 20).contains(outputs)
        else { throw Failure(.usage, "pictures of such sizes are not possible") }
        let cache = try SequenceCache.byteCount(
            GraphPart(try graph.graph("text")), capacity: capacity, precision: options.cachePrecision)
        let chunk = min(options.chunk, capacity)
        var arena = try ArenaLayout(text, Extents(tokens: chunk, visuals: chunk, outputs: chunk)).count
        arena = max(arena, try ArenaLayout(head, Extents(outputs: outputs)).count)
        if patches > 0 {
            arena = max(
                arena, try ArenaLayout(vision, Extents(patches: patches, segments: segments + 1)).count)
        }
        let visuals = all.reduce(0) { $0 + visualRows(patches: $1) }
        var rows = try Engine.byteCount(all.reduce(0, +), patchWidth)
        rows += try Engine.byteCount(2 * visuals, visualWidth)
        rows += try Engine.byteCount(2 * outputs, vocabulary)
        return MemoryEstimate(mapped, cache: cache, arena: arena, rows: rows)
    }

    private static func byteCount(_ rows: Int, _ columns: Int) throws(Failure) -> Int {
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, (0..<1 << 44).contains(count) else {
            throw Failure(.limit, "\(rows) rows of \(columns) floats are more than can be addressed")
        }
        return 4 * count
    }
}
