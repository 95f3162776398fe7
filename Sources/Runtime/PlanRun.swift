import Storage
import Threads

/// A plan with what it takes to run it.
struct PlanRun {
    let plan: Plan
    let weights: Weights
    let pool: ThreadPool
    let largeProduct: LargeProduct?
    let streaming: WeightStreaming?

    init(
        _ plan: Plan, _ weights: Weights, _ pool: ThreadPool, _ largeProduct: LargeProduct?,
        _ streaming: WeightStreaming? = nil
    ) {
        self.plan = plan
        self.weights = weights
        self.pool = pool
        self.largeProduct = largeProduct
        self.streaming = streaming
    }

    /// Runs the plan and lends its results, the elements of each row after row.
    /// - Throws: `badInput` for inputs that are too few or lead outside, `limit` when the machine has not the memory.
    func run<Outcome>(
        _ extents: Extents, _ inputs: [PlanInput], cache: SequenceCache?, arena: Arena, _ observer: Observer?,
        _ body: ([UnsafeBufferPointer<Float>]) throws(Failure) -> Outcome
    ) throws(Failure) -> Outcome {
        try plan.check(inputs, extents)
        let (layout, arena) = try arena.room(for: plan, extents, inBlocks: observer == nil)
        return try PlanInput.withPointers(inputs) { (pointers) throws(Failure) in
            let executor = Executor(self, layout, extents, arena: arena, inputs: pointers, cache: cache)
            if let observer { executor.run(observer) } else { executor.runInBlocks() }
            return try body(
                plan.results.map { result in
                    UnsafeBufferPointer(
                        start: executor.floats(result), count: extents(result.rows) * result.columns)
                })
        }
    }
}
