public import Prompts
public import Runtime
public import Storage

/// A conversation with a model. Its cache keeps what was said, so that a turn costs only what is new in it.
///
/// Nothing counts as said before it was evaluated: a turn that fails leaves the conversation as it was, and another can be
/// said in its place.
public final class Session {
    /// A part of what a person says.
    public enum Part {
        case text(String)
        case image(Patches)
        /// A video, as ``Model/video(_:_:)`` reads it.
        case video(PreparedPrompt.Visual)
    }

    /// How an answer is made.
    public struct Options {
        /// How tokens are chosen. Turns with equal settings share one row of draws.
        public var sampling: Sampler.Settings
        /// Tokens at most.
        public var maximumTokens: Int

        /// Options for an answer.
        public init(sampling: Sampler.Settings, maximumTokens: Int = 512) {
            self.sampling = sampling
            self.maximumTokens = maximumTokens
        }
    }

    /// An answer and what it took.
    public struct Answer {
        /// Why it ended.
        public enum End: String, Sendable {
            /// The model said so.
            case stop
            /// It reached the length allowed.
            case length
            /// The context has no room for more; what was said stays, but nothing can be added.
            case contextFull = "context_full"
            /// The caller said so.
            case cancelled
        }

        /// The whole answer.
        public let text: String
        /// Its tokens, without the one that ended it.
        public let tokens: [Int32]
        /// Why it ended.
        public let end: End
        /// Tokens of the prompt that were evaluated for it.
        public let promptTokens: Int
        /// What the draws of the conversation began with; nil where always the most likely token is taken.
        public let seed: UInt64?
    }

    /// What a conversation is beside its cache: a value, so that a turn that fails leaves it as it was.
    private struct State {
        /// Tokens in the cache.
        var cached = 0
        /// Where the next token will stand.
        var next: Int32 = 0
        var progress = ChatTemplate.Progress()
        var seen: Set<Int32> = []
        /// Tokens said but not yet in the cache.
        var pending: [Int32] = []
        /// The last answer of a model whose reasoning does not stay.
        var reasoned: Reasoned?
        var sampler: Sampler?

        /// Where the next prompt begins: tokens of the cache that stay, and its first position.
        var place: PreparedPrompt.Place {
            reasoned?.place ?? PreparedPrompt.Place(cached: cached, position: next)
        }
    }

    /// An answer with reasoning in it, and where its turn begins.
    private struct Reasoned {
        let place: PreparedPrompt.Place
        let text: String
    }

    /// Who is talked to.
    public let model: Model
    /// What was said, as the runtime keeps it.
    public let context: TextContext
    private var state = State()
    /// Where the context must go back to before anything else is said.
    private var unrestored: TextContext.Mark?

    /// A conversation of at most `capacity` tokens.
    /// - Throws: `usage` for a capacity below 1, `limit` when memory has no room for its cache.
    public init(_ model: Model, capacity: Int) throws(Failure) {
        self.model = model
        context = try TextContext(model.engine, capacity: capacity)
    }

    /// Says something to the model and gives its answer, showing the text as it comes.
    /// - Parameters:
    ///   - system: for the first turn, instead of the template's default.
    ///   - onText: gets each piece of text, whole characters only; false ends the answer.
    /// - Throws: `limit` when the context has no room for the turn; then, as after any failure, nothing was said.
    public func answer(
        _ parts: [Part], system: String? = nil, options: Options? = nil,
        onText: (String) -> Bool = { _ in true }
    ) throws(Failure) -> Answer {
        let prompt = try prepare(parts, system: system)
        return try answer(prompt, options: options ?? Options(sampling: model.sampling), onText: onText)
    }

    /// The prompt that `answer` would evaluate. Pictures and videos need not have values for it, only grids.
    public func prepare(_ parts: [Part], system: String? = nil) throws(Failure) -> PreparedPrompt {
        let tokenizer = try model.requireTokenizer()
        var visuals: [PreparedPrompt.Visual] = []
        var content: [Message.Part] = []
        for part in parts {
            switch part {
            case .text(let text): content.append(.text(text))
            case .image(let patches):
                content.append(.image(tokens: try model.prompt.shape(.image, patches.grid).tokens))
                visuals.append(.init(.image, patches))
            case .video(let video):
                let shape = try model.prompt.shape(.video, video.patches.grid)
                content.append(.video(tokens: shape.tokens, timestamps: video.timestamps))
                visuals.append(video)
            }
        }
        var progress = state.progress
        var messages = [Message(role: "user", parts: content)]
        if let system, !progress.hasStarted { messages.insert(Message(role: "system", text: system), at: 0) }
        let template = model.prompt.template
        let pieces = try template.render(messages, tokenizer: tokenizer, progress: &progress)
        let again = state.reasoned.map { template.answerTurn($0.text) } ?? []
        return try PreparedPrompt(
            tokens: (state.reasoned == nil ? state.pending : []) + tokenizer.encode(again + pieces),
            visuals: visuals, settings: model.prompt, at: state.place, progress: progress,
            opening: tokenizer.encode([.markup(template.generationPrompt)]).count)
    }

    /// Evaluates a prompt and answers it.
    /// - Throws: `usage` for a prompt that was made for another place in a conversation.
    public func answer(
        _ prompt: PreparedPrompt, options: Options, onText: (String) -> Bool = { _ in true }
    ) throws(Failure) -> Answer {
        try restore()
        guard prompt.place == state.place else {
            throw Failure(.usage, "the prompt was made for another place in the conversation")
        }
        try context.checkRoom(for: prompt.tokens.count, after: prompt.place.cached)
        let (before, mark) = (state, context.mark(after: prompt.place.cached))
        do { return try write(prompt, options, onText) } catch {
            (state, unrestored) = (before, mark)
            // Should this fail, it is tried again before the next turn.
            try? restore()
            throw error
        }
    }

    private func restore() throws(Failure) {
        guard let mark = unrestored else { return }
        try context.restore(mark)
        unrestored = nil
    }

    private func write(
        _ prompt: PreparedPrompt, _ options: Options, _ onText: (String) -> Bool
    ) throws(Failure) -> Answer {
        let visuals = try model.encodeVisuals(of: prompt)
        let sampler = state.sampler.flatMap { $0.settings == options.sampling ? $0 : nil }
        context.cache.truncate(to: prompt.place.cached)
        var stream = try TokenStream(
            reading: prompt, visuals, in: context, sampler: sampler ?? Sampler(options.sampling),
            seen: state.seen)
        // Where an answer begins that is read again, without its reasoning, with the next question.
        let turn = PreparedPrompt.Place(
            cached: context.cache.count - prompt.opening, position: stream.next - Int32(prompt.opening))
        let isReadAgain = model.prompt.template.reasoning != nil && prompt.opening > 0

        var detokenizer = model.tokenizer.map { Detokenizer($0) }
        var (text, tokens): (String, [Int32]) = ("", [])
        var pending: [Int32] = []
        var end = Answer.End.length
        while tokens.count < options.maximumTokens {
            let token = try stream.choose()
            guard !model.prompt.stopTokens.contains(token) else {
                end = .stop
                break
            }
            tokens.append(token)
            pending = [token]
            let piece = detokenizer?.append(token) ?? ""
            text += piece
            if !piece.isEmpty, !onText(piece) {
                end = .cancelled
                break
            }
            guard tokens.count < options.maximumTokens else { break }
            guard context.cache.count < context.cache.capacity else {
                end = .contextFull
                break
            }
            try stream.write(token)
            pending = []
        }
        if let rest = detokenizer?.flush(), !rest.isEmpty {
            text += rest
            _ = onText(rest)
        }
        state = State(
            cached: context.cache.count, next: stream.next, progress: prompt.progress,
            seen: stream.seen.union(pending), pending: pending,
            reasoned: isReadAgain ? Reasoned(place: turn, text: text) : nil, sampler: stream.sampler)
        return Answer(
            text: text, tokens: tokens, end: end, promptTokens: prompt.tokens.count,
            seed: options.sampling.temperature > 0 ? stream.sampler.seed : nil)
    }
}
