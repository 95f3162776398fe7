import Prompts
import Storage

extension WrittenConversation {
    /// Where, among the tokens of the conversation, the model speaks: its answers, each with the token that ends it.
    ///
    /// None where words of an answer and of the template become one token.
    /// - Parameter roles: of the messages.
    func answers(roles: [String], _ tokenizer: Tokenizer, _ tokens: [Int32]) -> [Range<Int>] {
        var spans: [Range<Int>] = []
        for message in roles.indices where roles[message] == "assistant" {
            guard let first = messages.firstIndex(of: message), let last = messages.lastIndex(of: message)
            else { continue }
            let before = tokenizer.encode(Array(pieces[..<first]))
            let through = tokenizer.encode(Array(pieces[...last]))
            guard tokens.starts(with: before), tokens.starts(with: through) else { return [] }
            let end = min(through.count + 1, tokens.count)
            if before.count < end { spans.append(before.count..<end) }
        }
        return spans
    }
}
