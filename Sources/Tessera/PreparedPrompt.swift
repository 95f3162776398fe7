public import Prompts
public import Runtime
public import Storage

/// A prompt as the engine takes it: tokens, where they stand, and the pictures and videos among them.
public struct PreparedPrompt {
    /// A picture or a video, cut into patches.
    public struct Visual: Sendable {
        /// Whether it is a picture or a video.
        public let medium: PromptPiece.Medium
        /// Its patches and their grid.
        public let patches: Patches
        /// Of a video: from one temporal patch to the next.
        public let secondsPerFrame: Double
        /// Of a video that is to be written out: the time of each temporal patch, in seconds.
        public let timestamps: [Double]

        /// A visual from its parts.
        public init(
            _ medium: PromptPiece.Medium, _ patches: Patches, secondsPerFrame: Double = 1,
            timestamps: [Double] = []
        ) {
            self.medium = medium
            self.patches = patches
            self.secondsPerFrame = secondsPerFrame
            self.timestamps = timestamps
        }

        /// The same as far as positions depend on it.
        var withoutValues: Visual {
            Visual(
                medium, Patches(values: [], grid: patches.grid), secondsPerFrame: secondsPerFrame,
                timestamps: timestamps)
        }
    }

    /// Where in a conversation a prompt belongs.
    struct Place: Equatable {
        /// Answers that were given before it.
        let turn: Int
        /// Tokens of the cache that it comes after.
        let cached: Int
    }

    /// Token ids to be read, placeholders included: those of a conversation that are not in its cache.
    public let tokens: [Int32]
    /// Where each token stands.
    public let positions: Positions
    /// In the order of the prompt.
    public let visuals: [Visual]
    /// The numbers of the placeholder tokens.
    public let visualRows: [Int32]
    /// Numbers of tokens after which a visual or a turn ends: what is likely to be come back to.
    let places: [Int]
    /// Where it belongs.
    let place: Place
    /// The conversation up to its answer, where it was given in words.
    let messages: [Message]?

    /// The beginning of a conversation: finds the placeholders of `visuals` among `tokens` and gives positions.
    /// - Parameter visuals: pictures in order and videos in order; they are matched to the placeholders of their kind.
    /// - Throws: `badInput` when placeholders and visuals do not fit.
    public init(tokens: [Int32], visuals: [Visual], settings: PromptSettings) throws(Failure) {
        try self.init(
            tokens: tokens, visuals: visuals, settings: settings, said: [], from: { $0 }, turn: 0,
            messages: nil)
    }

    /// What is to be read of a whole conversation whose cache holds the tokens `said`.
    /// - Parameters:
    ///   - reachable: the last place after at most so many tokens that the cache can go back to.
    ///   - turn: answers that were given before.
    init(
        tokens: [Int32], visuals: [Visual], settings: PromptSettings, said: ArraySlice<Int32>,
        from reachable: (Int) -> Int, turn: Int, messages: [Message]?
    ) throws(Failure) {
        let shapes = try visuals.map { (visual) throws(Failure) in
            try settings.shape(
                visual.medium, visual.patches.grid, secondsPerFrame: visual.secondsPerFrame)
        }
        let (spans, order) = try VisualSpan.find(
            in: tokens, imageToken: settings.imageToken, videoToken: settings.videoToken, shapes,
            rule: settings.positions)
        let runs = order.map { settings.positions.runs(of: shapes[$0].grid, shapes[$0].medium).count }
        // One token at least is read, so that there is something to go on from; a visual is read whole or not at all.
        var known = reachable(min(zip(tokens, said).prefix { $0 == $1 }.count, max(0, tokens.count - 1)))
        var (first, span) = (order.count, spans.count)
        while first > 0, let end = spans[..<span].last.map({ $0.start + $0.tokens }), end > known {
            first -= 1
            span -= runs[first]
            known = reachable(min(known, spans[span].start))
        }
        self.tokens = Array(tokens[known...])
        self.visuals = order[first...].map { visuals[$0] }
        visualRows = spans[span...].flatMap {
            ($0.start - known..<$0.start - known + $0.tokens).map(Int32.init)
        }
        positions = try Positions(tokenCount: tokens.count, spans: spans, rule: settings.positions)
            .dropFirst(known)
        let turnEnd = tokens.lastIndex { settings.stopTokens.contains($0) }.map { $0 + 1 }
        places = (spans.map { $0.start + $0.tokens } + (turnEnd.map { [$0] } ?? []))
            .filter { $0 > known }.map { $0 - known }.sorted()
        (self.place, self.messages) = (Place(turn: turn, cached: known), messages)
    }

    /// What a text context evaluates, given the encoded visuals.
    public func input(_ rows: Engine.Rows?) -> TextContext.Input {
        TextContext.Input(
            tokens: tokens, positions: positions.values, visuals: rows,
            visualRows: visualRows, places: places)
    }
}

extension Model {
    /// Encodes the visuals of a prompt one after the other, so that memory is that of the largest.
    /// - Parameter observer: is told which visual the values belong to.
    public func encodeVisuals(
        of prompt: PreparedPrompt, observer: ((Int, PromptPiece.Medium) -> Observer?)? = nil
    ) throws(Failure) -> Engine.Rows? {
        guard !prompt.visuals.isEmpty else { return nil }
        var all = Engine.Rows(values: [], columns: engine.visualWidth)
        for (index, visual) in prompt.visuals.enumerated() {
            all.values += try encode(visual.patches, observer: observer?(index, visual.medium)).values
        }
        return all
    }
}
