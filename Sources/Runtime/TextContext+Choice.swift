public import Storage

extension TextContext {
    /// The token that `logits` choose, which are those of `hidden`, a final hidden state of this context.
    /// - Throws: as `Sampler.next`; where the logits are no distribution, the error says how far back that goes.
    public func choose(
        _ sampler: inout Sampler, from logits: [Float], of hidden: [Float], seen: Set<Int32>
    ) throws(Failure) -> Int32 {
        do { return try sampler.next(logits, seen: seen) } catch {
            guard error.kind == .badInput else { throw error }
            throw .badInput("\(error.message); \(origin(hidden))", at: "token \(cache.count)")
        }
    }

    /// The first place that is known to hold what is not finite, once logits do.
    private func origin(_ hidden: [Float]) -> String {
        if let layer = cache.recurrent.firstNonFinite {
            return "the states are not finite from layer \(layer) on"
        }
        if let place = cache.keysAndValues.firstNonFinite {
            return "keys or values are not finite from layer \(place.layer) on, at token \(place.position)"
        }
        return hidden.allSatisfy(\.isFinite)
            ? "the final hidden states are finite, so the head is at fault"
            : "the keys and values of all layers are finite, so the last layer or the final norm is at fault"
    }
}
