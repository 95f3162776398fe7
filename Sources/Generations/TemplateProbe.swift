import Prompts
import Storage

/// Small conversations that a checkpoint's chat template is tried with before a model is converted with it.
struct TemplateProbe {
    private(set) var settings: PromptSettings
    let tokenizer: Tokenizer
    /// Tokens that the model knows.
    let vocabulary: Int

    private static let question = Message(role: "user", text: "Why?")
    private static let answer = Message(role: "assistant", text: "Therefore.")

    private struct Trial {
        let what: String
        let conversation: Conversation
        /// Whether a model that cannot do this is none of ours.
        var isNeeded = false
    }

    private var trials: [Trial] {
        let picture = Message(role: "user", parts: [.image(tokens: 1), .text("Why?")])
        let pair = Message(role: "user", parts: [.image(tokens: 1), .image(tokens: 1), .text("Why?")])
        let system = Message(role: "system", text: "Be brief.")
        var trials = [
            Trial(what: "a question", conversation: Conversation([Self.question]), isNeeded: true),
            Trial(what: "a picture", conversation: Conversation([picture]), isNeeded: true),
            Trial(what: "several pictures", conversation: Conversation([pair])),
            Trial(what: "a system message", conversation: Conversation([system, picture])),
            Trial(what: "several turns", conversation: Conversation([picture, Self.answer, Self.question])),
        ]
        if settings.videoToken != nil {
            let video = Message(role: "user", parts: [.video(tokens: 1, timestamps: [0]), .text("Why?")])
            trials.append(Trial(what: "a video", conversation: Conversation([video])))
        }
        return trials
    }

    /// Whether the template can be used, and every mark that it writes is a token.
    /// - Returns: what the user should know.
    /// - Throws: `badInput` when the template refuses questions or pictures, leaves their words out, or writes a mark that the
    ///   tokenizer spells out; `limit` when it goes beyond its limits.
    mutating func check() throws(Failure) -> [String] {
        try chooseContent()
        try checkPlaceholder(settings.imageToken, "image_token_id")
        if let token = settings.videoToken { try checkPlaceholder(token, "video_token_id") }
        var warnings: [String] = []
        for trial in trials {
            let written: WrittenConversation
            do throws(Failure) {
                written = try settings.write(trial.conversation, tokenizer)
                guard written.isComplete(trial.conversation) else {
                    throw Failure.badInput("it leaves out what is said")
                }
            } catch {
                guard trial.isNeeded else {
                    warnings.append("the chat template cannot write \(trial.what): \(error.message)")
                    continue
                }
                throw Failure(
                    error.kind, "the chat template cannot write \(trial.what): \(error.message)",
                    remedy: TemplateProbe.remedy)
            }
            try checkMarks(of: written)
        }
        return warnings
    }

    /// Hands the template text in the form in which it writes all of it: of several turns, or else of one question.
    /// - Throws: `badInput` when it leaves words out in either form, `limit` when it goes beyond its limits.
    private mutating func chooseContent() throws(Failure) {
        var isWritten = false
        for conversation in [
            Conversation([Self.question, Self.answer, Self.question]), Conversation([Self.question]),
        ] {
            for form: ChatTemplate.Content in [.text, .parts] {
                settings.template.content = form
                do throws(Failure) {
                    if try settings.write(conversation, tokenizer).isComplete(conversation) { return }
                    isWritten = true
                } catch {
                    guard error.kind == .limit else { continue }
                    // It takes its time to get there: once is enough.
                    throw Failure(
                        .limit, "the chat template cannot write a question: \(error.message)",
                        remedy: TemplateProbe.remedy)
                }
            }
        }
        settings.template.content = .text
        // Where it refuses both, its own words say more.
        guard isWritten else { return }
        throw .badInput("the chat template leaves out what is said", remedy: TemplateProbe.remedy)
    }

    private static var remedy: String {
        "give another: --chat-template with a file, or one of \(ChatTemplate.names.joined(separator: ", "))"
    }

    /// The placeholder must be one token that nothing else is, whose text gives the same token back.
    private func checkPlaceholder(_ token: Int32, _ key: String) throws(Failure) {
        let text = tokenizer.decode([token], skipSpecials: false)
        guard !text.isEmpty, tokenizer.isSpecial(token), tokenizer.encode([.markup(text)]) == [token] else {
            throw .badInput(
                "'\(key)' in config.json is \(token), which is no special token of the tokenizer",
                remedy: "take tokenizer.json and tokenizer_config.json from the original model")
        }
    }

    private func checkMarks(of written: WrittenConversation) throws(Failure) {
        if let far = tokenizer.encode(written.pieces).first(where: { Int($0) >= vocabulary }) {
            throw .badInput(
                "the chat template writes token \(far) (\(tokenizer.decode([far], skipSpecials: false))), but the model knows \(vocabulary)",
                remedy: "take tokenizer.json and tokenizer_config.json from the original model")
        }
        for case .markup(let text) in written.pieces {
            for mark in text.matches(of: /<\|[^|<>\s]+\|>/) where tokenizer.id(of: String(mark.output)) == nil
            {
                throw .badInput(
                    "the chat template writes \(mark.output), which is no token of the tokenizer",
                    remedy: "take tokenizer.json and tokenizer_config.json from the original model")
            }
        }
    }

    /// The token that ends a turn, if one does.
    var turnEnd: Int32? {
        let conversation = Conversation([Self.question, Self.answer], asksForAnswer: false)
        guard let written = try? settings.write(conversation, tokenizer),
            let last = written.messages.lastIndex(of: 1), last + 1 < written.pieces.count
        else { return nil }
        return tokenizer.encode([written.pieces[last + 1]]).first.flatMap {
            tokenizer.isSpecial($0) ? $0 : nil
        }
    }
}

extension WrittenConversation {
    /// Whether something of every message was written.
    fileprivate func isComplete(_ conversation: Conversation) -> Bool {
        conversation.messages.indices.allSatisfy(messages.contains)
    }
}
