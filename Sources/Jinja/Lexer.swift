import Storage

/// Cuts a template's source into tokens, with `trim_blocks` and `lstrip_blocks` on as transformers sets them.
struct Lexer {
    let source: MarkedText
    var position = 0
    var line = 1
    private(set) var tokens: [Token] = []
    /// Whether the piece before ended with a line break.
    private var isAtLineStart = true

    /// The tokens of a source, the last of them `end`.
    static func tokens(of source: String) throws(Failure) -> [Token] {
        var lexer = Lexer(source: normalized(source))
        try lexer.run()
        return lexer.tokens
    }

    /// Line breaks become line feeds, and the last one goes.
    private static func normalized(_ source: String) -> MarkedText {
        var bytes = normalizedLines(Array(source.utf8))
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return MarkedText(bytes: bytes)
    }

    static func normalizedLines(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(13) else { return bytes }
        var result: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if byte == 13 {
                result.append(10)
            } else if byte != 10 || index == 0 || bytes[index - 1] != 13 {
                result.append(byte)
            }
        }
        return result
    }

    private init(source: MarkedText) { self.source = source }

    private mutating func run() throws(Failure) {
        while position < source.bytes.count {
            guard let opening = nextOpening() else {
                add(.data(source[position..<source.bytes.count]))
                position = source.bytes.count
                break
            }
            addData(before: opening)
            line += lineBreaks(in: position..<opening.end)
            position = opening.end
            isAtLineStart = false
            switch opening.kind {
            case .raw: try readRaw()
            case .comment: try skipComment()
            case .block:
                add(.blockBegin)
                try readTag(isBlock: true)
            case .variable:
                add(.variableBegin)
                try readTag(isBlock: false)
            }
        }
        add(.end)
    }

    mutating func add(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    func failure(_ message: String) -> Failure { .badInput(message, at: "line \(line)") }

    // MARK: Text

    private struct Opening {
        enum Kind { case raw, comment, block, variable }
        let kind: Kind
        let start: Int
        let end: Int
        /// `-`, `+` or nothing.
        let sign: UInt8?
    }

    /// The next place where something else than text begins.
    private func nextOpening() -> Opening? {
        let bytes = source.bytes
        var start = position
        while start + 1 < bytes.count {
            if bytes[start] == UInt8(ascii: "{") {
                switch bytes[start + 1] {
                case UInt8(ascii: "%"):
                    if let end = rawBegin(at: start) {
                        return Opening(kind: .raw, start: start, end: end, sign: sign(at: start + 2))
                    }
                    return opening(.block, start)
                case UInt8(ascii: "#"): return opening(.comment, start)
                case UInt8(ascii: "{"): return opening(.variable, start)
                default: break
                }
            }
            start += 1
        }
        return nil
    }

    private func opening(_ kind: Opening.Kind, _ start: Int) -> Opening {
        let sign = sign(at: start + 2)
        return Opening(kind: kind, start: start, end: start + (sign == nil ? 2 : 3), sign: sign)
    }

    private func sign(at place: Int) -> UInt8? {
        guard place < source.bytes.count else { return nil }
        let byte = source.bytes[place]
        return byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") ? byte : nil
    }

    /// The end of `{% raw %}`, if it stands here.
    private func rawBegin(at start: Int) -> Int? {
        guard let end = wordTag("raw", at: start) else { return nil }
        if has("-%}", at: end) { return skippingSpace(from: end + 3) }
        return has("%}", at: end) ? end + 2 : nil
    }

    /// The place behind `{%`, a sign, a word and the spaces around it.
    private func wordTag(_ word: String, at start: Int) -> Int? {
        guard has("{%", at: start) else { return nil }
        let inner = skippingSpace(from: start + (sign(at: start + 2) == nil ? 2 : 3))
        return has(word, at: inner) ? skippingSpace(from: inner + word.utf8.count) : nil
    }

    /// Adds the text from here to a tag, stripped as the tag wants it.
    private mutating func addData(before opening: Opening) {
        let text = source[position..<opening.start]
        var end = text.bytes.count
        if opening.sign == UInt8(ascii: "-") {
            end = text.trimmed(nil, left: false, right: true).bytes.count
        } else if opening.sign == nil, opening.kind != .variable {
            let lineStart = (text.bytes.lastIndex(of: 10) ?? -1) + 1
            let isBlank = text[lineStart..<end].trimmed(nil, left: true, right: false).isEmpty
            if lineStart > 0 || isAtLineStart, isBlank { end = lineStart }
        }
        if end > 0 { add(.data(text[0..<end])) }
    }

    func lineBreaks(in range: Range<Int>) -> Int { source.bytes[range].count { $0 == 10 } }

    func has(_ text: String, at place: Int) -> Bool {
        place <= source.bytes.count && source.bytes[place...].starts(with: text.utf8)
    }

    func skippingSpace(from start: Int) -> Int {
        var start = start
        while start < source.bytes.count, source.scalar(at: start).isPythonSpace {
            start = source.end(ofCharacterAt: start)
        }
        return start
    }

    // MARK: Comments and raw text

    /// Behind the end of a block or comment: `-` takes all space, nothing takes one line break, `+` takes nothing.
    private func closing(_ text: String, at place: Int) -> Int? {
        if has("+" + text, at: place) { return place + 3 }
        if has("-" + text, at: place) { return skippingSpace(from: place + 3) }
        guard has(text, at: place) else { return nil }
        return place + (has("\n", at: place + 2) ? 3 : 2)
    }

    private mutating func skipComment() throws(Failure) {
        var place = position
        while place < source.bytes.count {
            if let end = closing("#}", at: place) { return advance(to: end) }
            place += 1
        }
        throw failure("Missing end of comment tag")
    }

    private mutating func readRaw() throws(Failure) {
        var place = position
        while let start = source.firstOffset(of: MarkedText("{%"), from: place) {
            if let inner = wordTag("endraw", at: start), let end = closing("%}", at: inner) {
                let tag = Opening(kind: .raw, start: start, end: end, sign: sign(at: start + 2))
                isAtLineStart = source.bytes[position - 1] == 10
                addData(before: tag)
                return advance(to: end)
            }
            place = start + 2
        }
        throw failure("Missing end of raw directive")
    }

    private mutating func advance(to end: Int) {
        line += lineBreaks(in: position..<end)
        position = end
        isAtLineStart = source.bytes[end - 1] == 10
    }

    // MARK: Tags

    private mutating func readTag(isBlock: Bool) throws(Failure) {
        var open: [Symbol] = []
        while true {
            if open.isEmpty, let end = tagEnd(isBlock: isBlock) {
                add(isBlock ? .blockEnd : .variableEnd)
                return advance(to: end)
            }
            let start = skippingSpace(from: position)
            if start > position {
                advance(to: start)
                continue
            }
            // The parser says what is missing.
            if position == source.bytes.count { return }
            if try readLiteral() { continue }
            guard let symbol = Symbol.allCases.first(where: { has($0.rawValue, at: position) }) else {
                throw failure("unexpected char '\(source.scalar(at: position))'")
            }
            try balance(symbol, &open)
            add(.symbol(symbol))
            position += symbol.rawValue.utf8.count
        }
    }

    private func tagEnd(isBlock: Bool) -> Int? {
        if isBlock { return closing("%}", at: position) }
        if has("-}}", at: position) { return skippingSpace(from: position + 3) }
        return has("}}", at: position) ? position + 2 : nil
    }

    private func balance(_ symbol: Symbol, _ open: inout [Symbol]) throws(Failure) {
        if let closing = symbol.closing { open.append(closing) }
        guard symbol.isClosing else { return }
        guard let expected = open.popLast() else { throw failure("unexpected '\(symbol.rawValue)'") }
        guard expected == symbol else {
            throw failure("unexpected '\(symbol.rawValue)', expected '\(expected.rawValue)'")
        }
    }
}
