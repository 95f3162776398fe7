/// What the pre-tokenizer needs to know of a character.
enum CharacterKind {
    /// `\p{L}`, and `\p{M}` where words are made of marks, too.
    case letter
    /// `\p{N}`
    case number
    /// Carriage return or line feed.
    case newline
    /// Any other white space.
    case space
    case other
    /// Past the end of the text.
    case end

    init(_ scalar: Unicode.Scalar, _ rule: PreTokenizer.Rule) {
        if scalar == "\r" || scalar == "\n" {
            self = .newline
            return
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .nonspacingMark, .spacingMark, .enclosingMark:
            self = rule == .lettersAndMarks ? .letter : .other
        case .decimalNumber, .letterNumber, .otherNumber: self = .number
        default: self = scalar.properties.isWhitespace ? .space : .other
        }
    }

    /// The kinds of the ASCII characters, which most texts consist of; no marks are among them.
    private static let ascii: [CharacterKind] = (0..<128).map {
        CharacterKind(Unicode.Scalar(UInt8($0)), .letters)
    }

    init(ascii byte: UInt8) { self = Self.ascii[Int(byte)] }
}

extension PreTokenizer {
    /// The kind of the character that starts at `position`, and where it ends.
    func character(at position: Int) -> (kind: CharacterKind, end: Int) {
        guard position < text.count else { return (.end, text.count) }
        let first = text[position]
        if first < 0x80 { return (CharacterKind(ascii: first), position + 1) }
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        let end = min(position + length, text.count)
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for byte in text[(position + 1)..<end] { value = value << 6 | UInt32(byte & 0x3F) }
        guard let scalar = Unicode.Scalar(value) else { return (.other, end) }
        return (CharacterKind(scalar, rule), end)
    }
}
