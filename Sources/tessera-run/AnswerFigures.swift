import CommandSupport
import Storage
import Tessera

/// What an answer took.
struct AnswerFigures {
    private let promptTokens: Int
    private let tokens: Int
    private let seed: UInt64?
    private let drafts: (tokens: Int, accepted: Int)?
    private let promptSeconds: Double
    private let answerSeconds: Double

    /// `duration` is that of the whole turn, from the question on.
    init(_ answer: Session.Answer, _ duration: Duration) {
        promptTokens = answer.promptTokens
        tokens = answer.tokens.count
        seed = answer.seed
        drafts = answer.drafts
        answerSeconds = answer.writing / .seconds(1)
        promptSeconds = duration / .seconds(1) - answerSeconds
    }

    private var tokensPerSecond: Double { answerSeconds > 0 ? Double(max(0, tokens - 1)) / answerSeconds : 0 }

    var text: String {
        "prompt: \(promptTokens) tokens with pictures in \(fixed(promptSeconds, 2)) s; "
            + "answer: \(tokens) tokens, \(fixed(tokensPerSecond, 1)) tokens/s"
            + (drafts.map { "; drafted: \($0.tokens) tokens, \($0.accepted) accepted" } ?? "")
            + (seed.map { "; seed: \($0)" } ?? "")
    }

    func json(_ answer: Session.Answer) -> JSON {
        .pairs([
            "text": .string(answer.text), "tokens": .array(answer.tokens.map { .int(Int($0)) }),
            "end": .string(answer.end.rawValue), "prompt_tokens": .int(promptTokens),
            "prompt_seconds": .double(promptSeconds), "answer_seconds": .double(answerSeconds),
            "tokens_per_second": .double(tokensPerSecond),
            "draft_tokens": drafts.map { .int($0.tokens) } ?? .null,
            "draft_accepted": drafts.map { .int($0.accepted) } ?? .null,
            // A number where it fits one; null where nothing was drawn.
            "seed": seed.map { seed in Int(exactly: seed).map(JSON.int) ?? .string("\(seed)") } ?? .null,
        ])
    }
}
