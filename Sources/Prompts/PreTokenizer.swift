/// Cuts text into the words within which merging happens, by the rule of all Qwen models up to Qwen3:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///
/// or by that of Qwen3.5, to which combining marks are letters.
///
/// Written by hand as a matcher over five classes of characters: one pass, no backtracking. Each alternative below is
/// tried in the order of the expression; every character belongs to some word.
struct PreTokenizer {
    /// What words are made of; the number is that of the tokenizer's section.
    enum Rule: UInt32, CaseIterable, Sendable {
        /// Letters alone.
        case letters = 0
        /// Letters and combining marks.
        case lettersAndMarks = 1

        /// The expression as `tokenizer.json` states it; nothing else is accepted there.
        var pattern: String {
            switch self {
            case .letters:
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            case .lettersAndMarks:
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            }
        }
    }

    /// Valid UTF-8.
    let text: UnsafeBufferPointer<UInt8>
    let rule: Rule

    /// Calls `body` with each word, in order.
    func forEachWord(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        var position = 0
        while position < text.count {
            let end = wordEnd(from: position)
            body(UnsafeBufferPointer(rebasing: text[position..<end]))
            position = end
        }
    }

    /// Where the word ends that starts at `position`.
    private func wordEnd(from position: Int) -> Int {
        let first = character(at: position)
        if text[position] == UInt8(ascii: "'"), let end = contractionEnd(after: first.end) { return end }
        switch first.kind {
        case .letter: return end(ofRun: .letter, from: first.end)
        case .number: return first.end
        case .newline: return whitespaceEnd(from: position)
        case .space, .other, .end:
            let second = character(at: first.end)
            if second.kind == .letter { return end(ofRun: .letter, from: second.end) }
            if first.kind == .other || (text[position] == UInt8(ascii: " ") && second.kind == .other) {
                return end(ofRun: .newline, from: end(ofRun: .other, from: first.end))
            }
            return whitespaceEnd(from: position)
        }
    }

    /// The end of `s`, `t`, `re`, `ve`, `m`, `ll` or `d` in any case, if one stands at `position`.
    private func contractionEnd(after position: Int) -> Int? {
        guard position < text.count else { return nil }
        // U+017F, the long s, folds to s.
        if text[position] == 0xC5, position + 1 < text.count, text[position + 1] == 0xBF {
            return position + 2
        }
        let first = text[position] | 0x20
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return position + 1
        default: break
        }
        guard position + 1 < text.count else { return nil }
        switch (first, text[position + 1] | 0x20) {
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return position + 2
        default: return nil
        }
    }

    /// The end of the whitespace word at `start`: up to the run's last line break, else all but the last character
    /// (which goes with the word that follows), else that one character.
    private func whitespaceEnd(from start: Int) -> Int {
        var position = start
        var last = start
        var afterNewline: Int?
        while true {
            let next = character(at: position)
            guard next.kind == .space || next.kind == .newline else { break }
            last = position
            position = next.end
            if next.kind == .newline { afterNewline = position }
        }
        if let afterNewline { return afterNewline }
        return position < text.count && last > start ? last : position
    }

    private func end(ofRun kind: CharacterKind, from position: Int) -> Int {
        var position = position
        while true {
            let next = character(at: position)
            guard next.kind == kind else { return position }
            position = next.end
        }
    }
}
