public import GraphIR
public import Storage
public import Threads

/// Runs a part of a graph by itself, with weights that the caller lends: a model a piece at a time.
public struct PartRunner {
    private let part: GraphPart
    private let run: PlanRun
    private let arena: Arena

    /// Compiles a part.
    /// - Parameters:
    ///   - shapes: the shapes of the graph's weights.
    ///   - arena: where values are while it runs.
    ///   - weight: lends a weight by its name; asked for each that the part reads.
    /// - Throws: `badInput` when a weight is not there or does not fit.
    public init(
        _ part: GraphPart, _ slots: [WeightSlot], pool: ThreadPool, largeProduct: LargeProduct? = nil,
        arena: Arena = Arena(), weight: (String) throws(Failure) -> LentWeight?
    ) throws(Failure) {
        let names = Set(part.weightNames)
        let weights = try Weights(slots.filter { names.contains($0.name) }, weight)
        (self.part, self.arena) = (part, arena)
        run = PlanRun(try PlanCompiler.compile(part, weights), weights, pool, largeProduct)
    }

    /// Runs the part over one sequence, or one picture's patches, and lends its results.
    /// - Parameters:
    ///   - inputs: as many as `part.given`, each with the elements that `extents` ask for.
    ///   - observer: is shown the values with names of their own, each when it is ready.
    ///   - body: is lent the elements of each of `part.results`, row after row.
    /// - Throws: `badInput` for inputs that are too few or lead outside, `limit` when the machine has not the memory.
    public func callAsFunction<Outcome>(
        _ extents: Extents, _ inputs: [PlanInput], observer: Observer? = nil,
        _ body: ([UnsafeBufferPointer<Float>]) throws(Failure) -> Outcome
    ) throws(Failure) -> Outcome {
        let cache = try SequenceCache(part, capacity: max(1, extents.tokens), precision: .float32)
        return try run.run(extents, inputs, cache: cache, arena: arena, observer, body)
    }
}
