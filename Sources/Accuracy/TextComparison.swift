import Runtime
public import Storage
public import Tessera

/// Two models over a text, as llama.cpp's perplexity tool counts: the text is cut into windows of equal length, and of each
/// window the second half is scored.
public struct TextComparison {
    /// Over the scored positions of all windows.
    public let divergence: Divergence.Summary
    /// Each scored position, window by window; its place is that of its token in the window.
    public let positions: Divergence
    /// How many windows there are.
    public let windows: Int
    /// Tokens of a window.
    public let window: Int
    /// Where the first value comes that is not finite; nil when all are.
    public let nonFinite: Failure?

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
            try comparison.add(
                try kept.hidden(index), hidden, targets: Array(tokens[(half + 1)...]),
                places: half..<kept.window - 1, to: &divergence)
            try report(index + 1, kept.windows, divergence.mean ?? 0)
        }
        guard let summary = divergence.summary else { throw .badInput("the text is empty") }
        self.divergence = summary
        positions = divergence
        windows = kept.windows
        window = kept.window
        nonFinite = try TextComparison.describe(summary.nonFinite, base, other, kept)
    }

    /// Runs the window of the first position once more, to see where the trouble begins.
    private static func describe(
        _ found: NonFinite, _ base: Model, _ other: Model, _ kept: KeptRun
    ) throws(Failure) -> Failure? {
        guard let failure = found.failure(at: "logits", unit: "position") else { return nil }
        let (window, row) = found.first.quotientAndRemainder(dividingBy: kept.rowsPerWindow)
        let model = found.side == .other ? other : base
        let place = "token \(kept.window / 2 + row) of window \(window)"
        guard let begin = try FirstNonFinite(model, kept.tokens(window)) else {
            return Failure(.mismatch, "\(failure.message), \(place)", at: "logits")
        }
        return Failure(
            .mismatch,
            "the logits are not finite at \(found.count) positions, the first \(place), of "
                + "\(found.side.rawValue); this stage is the first that is not, at token \(begin.row)",
            at: begin.stage)
    }
}
