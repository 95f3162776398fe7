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
    }

    /// Where in a conversation a prompt belongs.
    struct Place: Equatable {
        /// Tokens of the cache that it comes after.
        let cached: Int
        /// Its first position.
        let position: Int32
    }

    /// Token ids, placeholders included.
    public let tokens: [Int32]
    /// Where each token stands.
    public let positions: Positions
    /// In the order of the prompt.
    public let visuals: [Visual]
    /// The numbers of the placeholder tokens.
    public let visualRows: [Int32]
    /// Where it belongs.
    let place: Place
    /// What the conversation will have seen with it.
    let progress: ChatTemplate.Progress
    /// Tokens at its end that ask for an answer, as far as the template wrote them.
    let opening: Int

    /// The beginning of a conversation: finds the placeholders of `visuals` among `tokens` and gives positions.
    /// - Parameter visuals: pictures in order and videos in order; they are matched to the placeholders of their kind.
    /// - Throws: `badInput` when placeholders and visuals do not fit.
    public init(tokens: [Int32], visuals: [Visual], settings: PromptSettings) throws(Failure) {
        var progress = ChatTemplate.Progress()
        progress.hasStarted = true
        progress.images = visuals.count { $0.medium == .image }
        progress.videos = visuals.count { $0.medium == .video }
        try self.init(
            tokens: tokens, visuals: visuals, settings: settings, at: Place(cached: 0, position: 0),
            progress: progress, opening: 0)
    }

    /// The same at any place of a conversation.
    init(
        tokens: [Int32], visuals: [Visual], settings: PromptSettings, at place: Place,
        progress: ChatTemplate.Progress, opening: Int
    ) throws(Failure) {
        let shapes = try visuals.map { (visual) throws(Failure) in
            try settings.shape(
                visual.medium, visual.patches.grid, secondsPerFrame: visual.secondsPerFrame)
        }
        let (spans, order) = try VisualSpan.find(
            in: tokens, imageToken: settings.imageToken, videoToken: settings.videoToken, shapes,
            rule: settings.positions)
        self.tokens = tokens
        self.visuals = order.map { visuals[$0] }
        visualRows = spans.flatMap { ($0.start..<$0.start + $0.tokens).map(Int32.init) }
        positions = try Positions(
            tokenCount: tokens.count, spans: spans, rule: settings.positions, start: place.position)
        (self.place, self.progress, self.opening) = (place, progress, opening)
    }

    /// What a text context evaluates, given the encoded visuals.
    public func input(_ rows: Engine.Rows?) -> TextContext.Input {
        TextContext.Input(
            tokens: tokens, positions: positions.values, visuals: rows,
            visualRows: visualRows)
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
