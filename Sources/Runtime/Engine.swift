public import Bundles
import CKernels
public import GraphIR
public import Storage
public import Threads

/// A model mapped and ready: its weights, its plans, and the threads that run them.
///
/// Opening does no work proportional to the weights. One context runs at a time.
public final class Engine {
    /// How the engine runs.
    public struct Options: Sendable {
        /// Threads, the caller's included.
        public var threads: Int
        /// Tokens evaluated together when a prompt is read.
        public var chunk: Int
        /// How keys and values are kept.
        public var cachePrecision: KeyValueCache.Precision
        /// Bytes of weights that may stay in memory; the others are read anew each time they are used. Nil for all.
        public var residentWeights: Int?
        /// A library for products of float weights with many rows; nil for the runtime's own kernels.
        public var largeProduct: LargeProduct?

        /// Options; the defaults suit a machine with memory to spare for a few hundred tokens at once.
        public init(
            threads: Int = ThreadPool.processors, chunk: Int = 512,
            cachePrecision: KeyValueCache.Precision = .float16, residentWeights: Int? = nil,
            largeProduct: LargeProduct? = nil
        ) {
            self.threads = threads
            self.chunk = chunk
            self.cachePrecision = cachePrecision
            self.residentWeights = residentWeights
            self.largeProduct = largeProduct
        }
    }

    /// What the bundle's graph section says.
    public let graph: ModelGraph
    /// How it runs.
    public let options: Options
    /// Columns of hidden states.
    public let width: Int
    /// Columns of visual rows: those of hidden states, and of whatever else the vision tower hands to later layers.
    public let visualWidth: Int
    /// Columns of the logits.
    public let vocabulary: Int
    let weights: Weights
    /// Runs what is computed; one run at a time.
    public let pool: ThreadPool
    let vision: Plan
    let text: Plan
    /// `text` for observers, who are shown all rows of what is only wanted of some.
    let observedText: Plan
    let head: Plan
    /// How many visual rows come of patches.
    public let visualRows: VisualRows
    private let arena: Arena
    private let streaming: WeightStreaming?

    /// Maps the weights of `bundle` and compiles its graphs.
    /// - Throws: `badInput` when the bundle's graph is not what this runtime runs.
    public convenience init(_ bundle: Bundle, _ options: Options = Options()) throws(Failure) {
        do {
            try self.init(try ModelGraph(json: bundle.graphJSON), options) { (name) throws(Failure) in
                LentWeight(name, of: bundle)
            }
        } catch { throw error.located(in: bundle.path) }
    }

    /// Compiles a model's graphs for weights that are lent by their names.
    init(
        _ graph: ModelGraph, _ options: Options, arena: Arena = Arena(),
        weight: (String) throws(Failure) -> LentWeight?
    ) throws(Failure) {
        try graph.checkInterfaces()
        self.graph = graph
        self.options = options
        self.arena = arena
        guard (1...1 << 20).contains(options.chunk) else {
            throw Failure(.usage, "a chunk of \(options.chunk) tokens is not possible")
        }
        weights = try Weights(graph.weights, weight)
        pool = try ThreadPool(threads: options.threads)
        vision = try PlanCompiler.compile(GraphPart(try graph.graph("vision")), weights)
        text = try PlanCompiler.compile(GraphPart(try graph.graphSelectingEarly("text")), weights)
        observedText = try PlanCompiler.compile(GraphPart(try graph.graph("text")), weights)
        head = try PlanCompiler.compile(GraphPart(try graph.graph("head")), weights)
        // A token takes the head's weights and the decoder's, a picture those of its tower once.
        let order = [head, text, vision].flatMap { $0.passes.flatMap(\.matrices) }
        streaming =
            if let room = options.residentWeights { WeightStreaming(weights, order: order, room: room) } else
            { nil }
        width = text.output.columns
        vocabulary = head.output.columns
        visualWidth = vision.output.columns
        guard let visualRows = VisualRows(vision.output.rows) else {
            throw .badInput("the graphs do not fit each other")
        }
        self.visualRows = visualRows
    }

    /// Rows of numbers, `columns` each.
    public struct Rows: Sendable {
        /// Row after row.
        public var values: [Float]
        /// Elements of a row.
        public let columns: Int

        /// Rows from their elements.
        public init(values: [Float], columns: Int) {
            self.values = values
            self.columns = columns
        }

        /// The number of rows.
        public var count: Int { columns == 0 ? 0 : values.count / columns }
    }

    /// How many visual rows come of patches.
    public enum VisualRows: Hashable, Sendable {
        /// One of so many patches, however many there are.
        case every(Int)
        /// So many, of the patches of one picture.
        case fixed(Int)

        fileprivate init?(_ rows: Dimension) {
            switch rows {
            case .symbol(.patches, let divisor): self = .every(divisor)
            case .fixed(let count): self = .fixed(count)
            default: return nil
            }
        }

        /// The visual rows of a picture or video of `patches` patches.
        public func callAsFunction(patches: Int) -> Int {
            switch self {
            case .every(let count): patches / count
            case .fixed(let count): patches > 0 ? count : 0
            }
        }
    }

    /// The instruction set that its kernels use, as `TESSERA_ISA` spells it.
    public static var instructionSet: String { String(cString: tsr_isa_name(tsr_isa_in_use())) }

    /// Columns of a patch: channels · frames · height · width.
    public var patchWidth: Int { vision.input(named: "patches")?.type.columns ?? 0 }

    /// Encodes patches into visual rows.
    /// - Parameters:
    ///   - patches: [n, patchWidth], row after row.
    ///   - coordinates: n rows, then n columns, from 0 on.
    ///   - segments: the first row of each frame, and n.
    /// - Throws: `badInput` when they do not fit each other.
    public func encode(
        patches: [Float], coordinates: [Int32], segments: [Int32], observer: Observer? = nil
    ) throws(Failure) -> Rows {
        let count = patchWidth == 0 ? 0 : patches.count / patchWidth
        guard count > 0, count * patchWidth == patches.count, coordinates.count == 2 * count,
            coordinates.allSatisfy({ $0 >= 0 }), accepts(count, frames: segments.count - 1),
            segments.first == 0,
            segments.last == Int32(exactly: count),
            zip(segments, segments.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .badInput("the patches, coordinates and segments do not fit each other") }
        // A picture takes many times the memory of a chunk of text.
        defer { arena.release() }
        let extents = Extents(patches: count, segments: segments.count)
        return try run(
            vision, extents,
            [
                "patches": .floats(patches), "coordinates": .indices(coordinates),
                "segments": .indices(segments),
            ], cache: nil, observer)
    }

    private func accepts(_ patches: Int, frames: Int) -> Bool {
        switch visualRows {
        case .every(let count): patches % count == 0
        case .fixed: frames == 1
        }
    }

    /// The logits [hidden.count, vocabulary] of final hidden states.
    public func logits(_ hidden: Rows, observer: Observer? = nil) throws(Failure) -> Rows {
        guard hidden.columns == width else {
            throw .badInput("hidden states have \(hidden.columns) columns, not \(width)")
        }
        return try run(
            head, Extents(outputs: hidden.count), ["hidden": .floats(hidden.values)], cache: nil, observer)
    }

    /// Bytes of the weights that pass through memory where not all stay: those of a pass, and of the next, which are read
    /// meanwhile.
    public var passingWeights: Int {
        [vision, text].map { plan in
            let sizes = plan.passes.filter { !$0.matrices.isEmpty }.map { byteCount($0.matrices) }
            return zip(sizes, sizes.dropFirst()).reduce(sizes.first ?? 0) { max($0, $1.0 + $1.1) }
        }.max() ?? 0
    }

    /// Bytes of the head's weights, which are too many to pass through memory for every token.
    public var headWeights: Int { head.passes.reduce(0) { $0 + byteCount($1.matrices) } }

    private func byteCount(_ matrices: [Int]) -> Int {
        Dictionary(
            matrices.compactMap { weights.mapped[$0]?.range }.map { ($0.lowerBound, $0.count) },
            uniquingKeysWith: max
        ).values.reduce(0, +)
    }

    /// Rows of positions that the decoder takes.
    public var positionAxes: Int {
        if case .fixed(let axes)? = text.input(named: "positions")?.type.extents.first { axes } else { 0 }
    }

    /// Token ids must be below it: the rows of the smallest embedding.
    var tokenLimit: Int {
        text.bounds.compactMap { if case .ids(let limit) = $0.bound { limit } else { nil } }.min() ?? 0
    }

    /// Runs a plan in the engine's arena, fed by the names of its inputs, and copies its output out.
    /// - Throws: `badInput` when the cache does not hold what was to be kept.
    func run(
        _ plan: Plan, _ extents: Extents, _ feeds: [String: PlanInput], cache: SequenceCache?,
        _ observer: Observer?
    ) throws(Failure) -> Rows {
        let inputs = try plan.inputs.map { (input) throws(Failure) in
            guard let feed = feeds[input.name] else {
                throw .badInput("takes the unknown input '\(input.name)'")
            }
            return feed
        }
        let executor = PlanRun(plan, weights, pool, options.largeProduct, streaming)
        let rows = try executor.run(extents, inputs, cache: cache, arena: arena, observer) { results in
            Rows(values: Array(results[0]), columns: plan.output.columns)
        }
        try cache?.check()
        return rows
    }
}
