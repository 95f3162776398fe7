import Runtime
import Storage

extension TextContext {
    /// The `count` tokens that follow when the most likely one is always taken.
    /// - Parameters:
    ///   - hidden: final hidden states whose last row is the end of what is in the context.
    ///   - next: the position of the next token.
    func continueGreedily(from hidden: Engine.Rows, next: Int32, count: Int) throws(Failure) -> [Int32] {
        var last = Engine.Rows(values: Array(hidden.values.suffix(hidden.columns)), columns: hidden.columns)
        var tokens: [Int32] = []
        while tokens.count < count {
            let token = Sampler.mostLikely(try engine.logits(last).values)
            tokens.append(token)
            guard tokens.count < count else { break }
            let position = next + Int32(tokens.count - 1)
            last = try evaluate(text([token], from: position))
        }
        return tokens
    }
}
