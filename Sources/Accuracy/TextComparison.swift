import Runtime
public import Storage
public import Tessera

/// Two models over a text, as llama.cpp's perplexity tool counts: the text is cut into windows of equal length, and of each
/// window the second half is scored.
public struct TextComparison {
    /// Over the scored positions of all windows.
    public let divergence: Divergence.Summary
    /// How many windows there are.
    public let windows: Int
    /// Tokens of a window.
    public let window: Int

    /// Compares over the windows of `text`.
    /// - Parameters:
    ///   - base: the reference, or what was kept of its run.
    ///   - windows: at most so many; 0 for all.
    ///   - report: told after each window how many are done, of how many, and the mean divergence so far.
    /// - Throws: `badInput` when the text is shorter than one window.
    public init(
        base: Model, other: Model, kept: KeptRun, report: (Int, Int, Double) throws(Failure) -> Void
    ) throws(Failure) {
        guard base.engine.vocabulary == other.engine.vocabulary, base.engine.width == other.engine.width
        else {
            throw Failure(.mismatch, "the two bundles are not of the same model")
        }
        var divergence = Divergence()
        let half = kept.window / 2
        let comparison = LogitComparison(base.engine, other.engine)
        for index in 0..<kept.windows {
            let tokens = kept.tokens(index)
            let hidden = try KeptRun.hidden(other, tokens)
            try comparison.run(try kept.hidden(index), hidden) { row, p, q in
                divergence.add(base: p, other: q, target: tokens[half + row + 1])
            }
            try report(index + 1, kept.windows, divergence.summary?.mean ?? 0)
        }
        guard let summary = divergence.summary else { throw .badInput("the text is empty") }
        self.divergence = summary
        windows = kept.windows
        window = kept.window
    }
}
