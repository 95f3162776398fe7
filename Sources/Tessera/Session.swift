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
        /// Tokens at most. With none what is said is only read: what is said next belongs to the same message.
        public var maximumTokens: Int
        /// How tokens are drafted, which are then evaluated together. Answers are the same with and without.
        public var draft: Draft

        /// Options for an answer.
        public init(sampling: Sampler.Settings, maximumTokens: Int = 512, draft: Draft = .none) {
            self.sampling = sampling
            self.maximumTokens = maximumTokens
            self.draft = draft
        }
    }

    /// Where drafts come from.
    public enum Draft: String, CaseIterable, Sendable {
        /// There are none.
        case none
        /// What followed the same tokens earlier in the conversation: of use where an answer repeats what was read.
        case lookup
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
        /// Tokens that were drafted, and how many of these were chosen; nil where nothing was to be drafted.
        public let drafts: (tokens: Int, accepted: Int)?
        /// How long it took to choose and evaluate its tokens, after the prompt was read.
        public let writing: Duration
    }

    /// What a conversation is beside its cache: a value, so that a turn that fails leaves it as it was.
    struct State {
        /// Answers that were given.
        var turn = 0
        /// All tokens that were said; those of the cache come first.
        var said: [Int32] = []
        /// What was said; nil for what began with tokens instead of words.
        var messages: [Message]? = []
        /// Pictures and videos that were said, without their values.
        var visuals: [PreparedPrompt.Visual] = []
        var sampler: Sampler?
    }

    /// Who is talked to.
    public let model: Model
    /// What was said, as the runtime keeps it.
    public let context: TextContext
    /// Functions that the model may call, as ``Conversation/tools``.
    public var tools: JSON?
    /// Further choices for the chat template, as ``Conversation/variables``.
    public var variables: [String: JSON] = [:]
    var state = State()
    /// Where the context must go back to before anything else is said.
    private var unrestored: TextContext.Mark?

    /// A conversation of at most `capacity` tokens.
    /// - Throws: `usage` for a capacity below 1, `limit` when memory has no room for its cache.
    public init(_ model: Model, capacity: Int) throws(Failure) {
        self.model = model
        context = try TextContext(model.engine, capacity: capacity)
    }

    /// Whether anything was said.
    public var isBegun: Bool { state.turn > 0 }

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
        guard var messages = state.messages else {
            throw Failure(.usage, "a conversation that began with tokens cannot go on with words")
        }
        if let system, messages.isEmpty { messages.append(Message(role: "system", text: system)) }
        if let begun = messages.last, begun.role == "user" {
            content = begun.parts + content
            messages.removeLast()
        }
        messages.append(Message(role: "user", parts: content))
        let conversation = Conversation(messages, tools: tools, variables: variables)
        let prompt = try PreparedPrompt(
            tokens: tokenizer.encode(model.prompt.write(conversation, tokenizer).pieces),
            visuals: state.visuals + visuals, settings: model.prompt,
            said: state.said.prefix(context.cache.count), from: context.cache.reachable, turn: state.turn,
            messages: messages)
        guard prompt.visuals.count <= visuals.count else {
            throw .badInput(
                "the chat template writes otherwise what came before an earlier picture, which would have to be read again",
                remedy: "begin a new conversation, or convert the model with another --chat-template")
        }
        return prompt
    }

    /// Evaluates a prompt and answers it.
    /// - Throws: `usage` for a prompt that was made for another place in a conversation.
    public func answer(
        _ prompt: PreparedPrompt, options: Options, onText: (String) -> Bool = { _ in true }
    ) throws(Failure) -> Answer {
        try restore()
        guard prompt.place.turn == state.turn else {
            throw Failure(.usage, "the prompt was made for another place in the conversation")
        }
        try context.checkRoom(for: prompt.tokens.count, after: prompt.place.cached)
        context.cache.rewind(to: prompt.place.cached)
        let (before, mark) = (state, context.mark)
        do { return try write(prompt, options, onText) } catch {
            (state, unrestored) = (before, mark)
            // Should this fail, it is tried again before the next turn.
            try? restore()
            throw error
        }
    }

    /// Goes back to what was said, should a turn have failed.
    func restore() throws(Failure) {
        guard let mark = unrestored else { return }
        try context.restore(mark)
        unrestored = nil
    }

    private func write(
        _ prompt: PreparedPrompt, _ options: Options, _ onText: (String) -> Bool
    ) throws(Failure) -> Answer {
        let visuals = try model.features(of: prompt)
        let sampler = state.sampler.flatMap { $0.settings == options.sampling ? $0 : nil }
        let said = state.said.prefix(prompt.place.cached)
        var stream = try TokenStream(
            reading: prompt, visuals, in: context, sampler: sampler ?? Sampler(options.sampling),
            seen: Set(said),
            lookup: options.draft == .lookup
                ? PromptLookup(said + prompt.tokens, undrafted: model.prompt.endsAndPlaceholders) : nil)

        let start = ContinuousClock.now
        var detokenizer = model.tokenizer.map { Detokenizer($0) }
        var (text, tokens): (String, [Int32]) = ("", [])
        var end = Answer.End.length
        while tokens.count < options.maximumTokens {
            let token = try stream.choose()
            guard !model.prompt.stopTokens.contains(token) else {
                end = .stop
                break
            }
            tokens.append(token)
            let piece = detokenizer?.append(token) ?? ""
            text += piece
            if !piece.isEmpty, !onText(piece) {
                end = .cancelled
                break
            }
            guard tokens.count < options.maximumTokens else { break }
            guard stream.count < context.cache.capacity else {
                end = .contextFull
                break
            }
            try stream.write(token)
        }
        let writing = ContinuousClock.now - start
        try stream.finish()
        context.cache.keepPlace()
        if let rest = detokenizer?.flush(), !rest.isEmpty {
            text += rest
            _ = onText(rest)
        }
        state.turn += 1
        state.said = said + prompt.tokens + tokens
        let isAnswered = options.maximumTokens > 0
        state.messages = prompt.messages.map {
            isAnswered ? $0 + [Message(role: "assistant", parts: [.said(text, tokens)])] : $0
        }
        state.visuals += prompt.visuals.map(\.withoutValues)
        state.sampler = stream.sampler
        return Answer(
            text: text, tokens: tokens, end: end, promptTokens: prompt.tokens.count,
            seed: options.sampling.temperature > 0 ? stream.sampler.seed : nil,
            drafts: stream.lookup.map { ($0.drafted, $0.accepted) }, writing: writing)
    }
}

extension PromptSettings {
    /// Tokens that no draft holds: behind those that end an answer nothing is chosen, and pictures are not written.
    fileprivate var endsAndPlaceholders: Set<Int32> {
        Set(stopTokens + [imageToken] + (videoToken.map { [$0] } ?? []))
    }
}
