import Runtime
import Storage

extension TextContext {
    /// The tokens that follow when the most likely one is always taken: `count` of them, fewer where one of `stops` or a row
    /// of logits that is not finite comes first.
    /// - Parameters:
    ///   - hidden: final hidden states whose last row is the end of what is in the context.
    ///   - next: the position of the next token.
    func continueGreedily(
        from hidden: Engine.Rows, next: Int32, count: Int, stops: some Collection<Int32> = EmptyCollection()
    ) throws(Failure) -> [Int32] {
        var last = Engine.Rows(values: Array(hidden.values.suffix(hidden.columns)), columns: hidden.columns)
        var tokens: [Int32] = []
        while tokens.count < count {
            let logits = try engine.logits(last).values
            // A comparison goes on with what there is: it finds these logits, and says so, by itself.
            guard let token = Sampler.mostLikely(logits), !stops.contains(token) else { break }
            tokens.append(token)
            guard tokens.count < count else { break }
            let position = next + Int32(tokens.count - 1)
            last = try evaluate(text([token], from: position))
        }
        return tokens
    }
}
