import Prompts
import Storage

extension ChatTemplate {
    /// Where, among the tokens of a conversation that was written out, the model speaks: its answers, each with the token that ends
    /// it.
    ///
    /// None for a template that does not write roles, and where turns do not begin with tokens of their own.
    /// - Parameter count: tokens of all pieces.
    func answers(in pieces: [PromptPiece], tokenizer: Tokenizer, count: Int) -> [Range<Int>] {
        guard writesRoles else { return [] }
        var spans: [Range<Int>] = []
        var tokens = 0
        for turn in turns(of: pieces) {
            let start = tokens
            tokens += tokenizer.encode(Array(turn)).count
            guard turn.dropFirst().first == .text("assistant"), turn.last == .markup(turnEnd) else {
                continue
            }
            let opening = turn.prefix(separatesContent ? 4 : 3)
            let first = start + tokenizer.encode(Array(opening)).count
            let end = start + tokenizer.encode(Array(turn.dropLast())).count + 1
            if first < end, end <= tokens { spans.append(first..<end) }
        }
        return tokens == count ? spans : []
    }

    /// Pieces cut before each turn.
    private func turns(of pieces: [PromptPiece]) -> [ArraySlice<PromptPiece>] {
        var starts = pieces.indices.filter {
            pieces[$0] == .markup(turnStart) || pieces[$0] == .markup(generationPrompt)
        }
        if starts.first != 0 { starts.insert(0, at: 0) }
        return zip(starts, starts.dropFirst() + [pieces.count]).map { pieces[$0..<$1] }
    }
}
