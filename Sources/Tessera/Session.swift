public import Prompts
public import Runtime
public import Storage

/// A conversation with a model. Its cache keeps what was said, so that a turn costs only what is new in it.
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
        /// How tokens are chosen.
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
            /// It reached the length allowed, or the context is full.
            case length
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
    }

    /// Who is talked to.
    public let model: Model
    /// What was said, as the runtime keeps it.
    public let context: TextContext
    private var next: Int32 = 0
    private var progress = ChatTemplate.Progress()
    private var seen: Set<Int32> = []
    /// Tokens said but not yet in the cache.
    private var pending: [Int32] = []
    /// The last answer of a model whose reasoning does not stay.
    private var reasoned: Reasoned?

    /// An answer with reasoning in it, and where in the cache its turn begins.
    private struct Reasoned {
        let cached: Int
        let position: Int32
        var text = ""
    }

    /// A conversation of at most `capacity` tokens.
    public init(_ model: Model, capacity: Int) throws(Failure) {
        self.model = model
        context = try TextContext(model.engine, capacity: capacity)
    }

    /// Says something to the model and gives its answer, showing the text as it comes.
    /// - Parameters:
    ///   - system: for the first turn, instead of the template's default.
    ///   - onText: gets each piece of text, whole characters only; false ends the answer.
    /// - Throws: `limit` when the context is full.
    public func answer(
        _ parts: [Part], system: String? = nil, options: Options? = nil,
        onText: (String) -> Bool = { _ in true }
    ) throws(Failure) -> Answer {
        let prompt = try prepare(parts, system: system)
        return try answer(prompt, options: options ?? Options(sampling: model.sampling), onText: onText)
    }

    /// The prompt that `answer` would evaluate; counts as said.
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
        var messages = [Message(role: "user", parts: content)]
        if let system, !progress.hasStarted { messages.insert(Message(role: "system", text: system), at: 0) }
        // What cannot be prepared was not said.
        var progress = progress
        let template = model.prompt.template
        let pieces = try template.render(messages, tokenizer: tokenizer, progress: &progress)
        let again = reasoned.map { template.answerTurn($0.text) } ?? []
        let prompt = try PreparedPrompt(
            tokens: (reasoned == nil ? pending : []) + tokenizer.encode(again + pieces), visuals: visuals,
            settings: model.prompt, start: reasoned?.position ?? next)
        self.progress = progress
        if let reasoned { context.cache.truncate(to: reasoned.cached) }
        reasoned = nil
        if template.reasoning != nil {
            let opening = tokenizer.encode([.markup(template.generationPrompt)]).count
            reasoned = Reasoned(
                cached: context.cache.count + prompt.tokens.count - opening,
                position: prompt.positions.next - Int32(opening))
        }
        return prompt
    }

    /// Evaluates a prompt and answers it.
    public func answer(
        _ prompt: PreparedPrompt, options: Options, onText: (String) -> Bool = { _ in true }
    ) throws(Failure) -> Answer {
        let visuals = try model.encodeVisuals(of: prompt)
        var hidden = try context.evaluate(prompt: prompt.input(visuals))
        next = prompt.positions.next
        pending = []
        seen.formUnion(prompt.tokens)

        var sampler = Sampler(options.sampling)
        var detokenizer = model.tokenizer.map { Detokenizer($0) }
        var (text, tokens): (String, [Int32]) = ("", [])
        var end = Answer.End.length
        while tokens.count < options.maximumTokens {
            let token = try context.choose(&sampler, after: hidden, seen: seen)
            guard !model.prompt.stopTokens.contains(token) else {
                end = .stop
                break
            }
            tokens.append(token)
            seen.insert(token)
            pending = [token]
            let piece = detokenizer?.append(token) ?? ""
            text += piece
            if !piece.isEmpty, !onText(piece) {
                end = .cancelled
                break
            }
            guard tokens.count < options.maximumTokens, context.cache.count < context.cache.capacity else {
                break
            }
            hidden = try context.evaluate(context.text([token], from: next))
            next += 1
            pending = []
        }
        if let rest = detokenizer?.flush(), !rest.isEmpty {
            text += rest
            _ = onText(rest)
        }
        reasoned?.text = text
        return Answer(text: text, tokens: tokens, end: end, promptTokens: prompt.tokens.count)
    }
}
