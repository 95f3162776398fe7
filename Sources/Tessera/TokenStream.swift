import Prompts
public import Runtime
public import Storage

/// A model that writes on after a prompt, token by token: what an answer is made of, and what a benchmark times.
public struct TokenStream {
    /// What was read and written, as the runtime keeps it.
    public let context: TextContext
    /// Where the next token will stand.
    public private(set) var next: Int32
    /// How tokens are chosen.
    public private(set) var sampler: Sampler
    /// The tokens of the conversation.
    public private(set) var seen: Set<Int32>
    /// The final hidden state of the last token.
    private var hidden: Engine.Rows

    /// Reads a prompt after what is in `context`.
    /// - Parameters:
    ///   - visuals: the encoded pictures and videos of the prompt.
    ///   - seen: the tokens before it.
    /// - Throws: `limit` when the context is full.
    public init(
        reading prompt: PreparedPrompt, _ visuals: Engine.Rows?, in context: TextContext, sampler: Sampler,
        seen: Set<Int32> = []
    ) throws(Failure) {
        hidden = try context.evaluate(prompt: prompt.input(visuals))
        next = prompt.positions.next
        self.context = context
        self.sampler = sampler
        self.seen = seen.union(prompt.tokens)
    }

    /// Chooses the next token, which does not count as written yet.
    /// - Throws: as `TextContext.choose`.
    public mutating func choose() throws(Failure) -> Int32 {
        try context.choose(&sampler, after: hidden, seen: seen)
    }

    /// Writes a token that was chosen, so that the one after it can be.
    /// - Throws: `limit` when the context is full.
    public mutating func write(_ token: Int32) throws(Failure) {
        hidden = try context.evaluate(context.text([token], from: next))
        seen.insert(token)
        next += 1
    }
}
