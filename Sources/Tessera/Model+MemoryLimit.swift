import Bundles
public import Runtime
public import Storage

extension Model {
    /// The fastest way to run within a limit of memory: with all weights in it, if need be by fewer tokens at once; else with as many
    /// of them as there is room for, the others being read from the file whenever they are used.
    /// - Parameters:
    ///   - limit: bytes that the weights and what is computed may take together.
    ///   - draft: of the answers.
    ///   - precisions: how keys and values may be kept, the best first.
    /// - Throws: `limit` when no way is small enough, `usage` as `estimateMemory`.
    public func options(
        within limit: Int, for visuals: [PreparedPrompt.Visual], capacity: Int, draft: Session.Draft = .none,
        _ precisions: [KeyValueCache.Precision]
    ) throws(Failure) -> Engine.Options {
        var ways: [(options: Engine.Options, anonymous: Int, mapped: Int)] = []
        for precision in precisions {
            for chunk in Set([engine.options.chunk, 128, 32]).sorted(by: >)
            where chunk <= engine.options.chunk {
                var options = engine.options
                (options.cachePrecision, options.chunk) = (precision, chunk)
                let estimate = try estimateMemory(for: visuals, capacity: capacity, draft: draft, options)
                ways.append((options, estimate.anonymous, estimate.mapped))
            }
        }
        if let way = ways.first(where: { $0.anonymous + $0.mapped <= limit }) { return way.options }
        // Each step through the weights costs the same reading, whatever it computes: by as many tokens at once as can be.
        let passing = engine.passingWeights
        let least = passing + engine.headWeights
        ways.sort { ($0.options.chunk, $1.anonymous) > ($1.options.chunk, $0.anonymous) }
        guard var way = ways.first(where: { $0.anonymous + least <= limit }) else {
            let needed = (ways.map(\.anonymous).min() ?? 0) + least
            throw Failure(
                .limit,
                "needs \(ByteCount.text(needed)) of memory at least, \(ByteCount.text(limit)) are allowed",
                file: bundle.path, remedy: "use a smaller --ctx-size or picture")
        }
        way.options.residentWeights = limit - way.anonymous - passing
        return way.options
    }
}
