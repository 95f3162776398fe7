import Prompts
public import Runtime
public import Storage

/// A model that writes on after a prompt, token by token: what an answer is made of, and what a benchmark times.
public struct TokenStream {
    /// What was read and written, as the runtime keeps it, perhaps with a draft behind it.
    public let context: TextContext
    /// Tokens that the context holds without what was only drafted.
    public private(set) var count: Int
    /// Where the next token will stand.
    public private(set) var next: Int32
    /// How tokens are chosen.
    public private(set) var sampler: Sampler
    /// The tokens of the conversation.
    public private(set) var seen: Set<Int32>
    /// Drafts what may be written next; nil where nothing is drafted.
    private(set) var lookup: PromptLookup?
    /// What was evaluated behind the last token that was, and how much of it was written since.
    private var draft: [Int32] = []
    private var kept = 0
    /// That token, and where the context was before it, while there is a draft.
    private var drafting: (token: Int32, before: SequenceCache.Place)?
    /// The final hidden states of that token and of the draft.
    private var hidden: Engine.Rows
    /// Their logits, once they are wanted.
    private var logits: Engine.Rows?

    /// Reads a prompt after what is in `context`.
    /// - Parameters:
    ///   - visuals: the encoded pictures and videos of the prompt.
    ///   - seen: the tokens before it.
    /// - Throws: `limit` when the context is full.
    public init(
        reading prompt: PreparedPrompt, _ visuals: Engine.Rows?, in context: TextContext, sampler: Sampler,
        seen: Set<Int32> = []
    ) throws(Failure) {
        try self.init(
            reading: prompt, visuals, in: context, sampler: sampler, seen: seen, lookup: nil)
    }

    /// The same with drafts, each of which is evaluated at once and kept as far as it is what is chosen. Choices are the same
    /// with and without: a token is chosen from the same logits, by the same draw.
    init(
        reading prompt: PreparedPrompt, _ visuals: Engine.Rows?, in context: TextContext, sampler: Sampler,
        seen: Set<Int32>, lookup: PromptLookup?
    ) throws(Failure) {
        hidden = try context.evaluate(prompt: prompt.input(visuals))
        count = context.cache.count
        next = prompt.positions.next
        self.context = context
        self.sampler = sampler
        self.seen = seen.union(prompt.tokens)
        self.lookup = lookup
    }

    /// Chooses the next token, which does not count as written yet.
    /// - Throws: as `TextContext.choose`.
    public mutating func choose() throws(Failure) -> Int32 {
        let logits = if let logits { logits } else { try context.engine.logits(hidden) }
        self.logits = logits
        do {
            return try context.choose(&sampler, from: logits.row(kept), of: hidden.row(kept), seen: seen)
        } catch {
            guard !draft.isEmpty else { throw error }
            // What is said to be wrong is to be of what was written.
            try finish()
            return try choose()
        }
    }

    /// Writes a token that was chosen, so that the one after it can be.
    /// - Throws: `limit` when the context is full.
    public mutating func write(_ token: Int32) throws(Failure) {
        lookup?.append(token)
        if kept < draft.count, draft[kept] == token {
            kept += 1
        } else {
            try finish()
            try evaluate(token)
        }
        seen.insert(token)
        next += 1
        count += 1
    }

    /// Takes back what was drafted and not written.
    /// - Throws: as `TextContext.evaluate`, where what was written has to be evaluated again.
    mutating func finish() throws(Failure) {
        guard let (token, before) = drafting else { return }
        if context.cache.isCuttable {
            context.cache.rewind(to: count)
        } else if kept < draft.count {
            context.cache.rewind(to: before)
            let written = [token] + draft.prefix(kept)
            _ = try context.evaluate(context.text(written, from: next - Int32(written.count)))
        }
        lookup?.judge(draft.count, accepted: kept)
        // What is known of the last token that was written stays.
        hidden = Engine.Rows(values: hidden.row(kept), columns: hidden.columns)
        logits = logits.map { Engine.Rows(values: $0.row(kept), columns: $0.columns) }
        (draft, kept, drafting) = ([], 0, nil)
    }

    private mutating func evaluate(_ token: Int32) throws(Failure) {
        draft = lookup?.draft(room: context.cache.capacity - count - 1) ?? []
        logits = nil
        drafting = draft.isEmpty ? nil : (token, context.cache.place)
        do {
            hidden = try context.evaluate(context.text([token] + draft, from: next), wanted: .all)
        } catch {
            guard let (_, before) = drafting else { throw error }
            // What fails may be the draft, which nobody asked for.
            context.cache.rewind(to: before)
            (draft, drafting) = ([], nil)
            hidden = try context.evaluate(context.text([token], from: next))
        }
    }
}

extension Engine.Rows {
    /// The elements of a row.
    fileprivate func row(_ index: Int) -> [Float] {
        count == 1 ? values : Array(values[index * columns..<(index + 1) * columns])
    }
}
