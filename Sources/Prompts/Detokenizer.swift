/// Turns tokens into text one at a time, as a model produces them. What it has returned is always whole characters, and
/// put together equals what ``Tokenizer/decode(_:skipSpecials:)`` makes of all tokens at once.
public struct Detokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecials: Bool
    /// The start of a character whose end has not come yet: at most three bytes.
    private var pending: [UInt8] = []

    /// A stream at its beginning.
    public init(_ tokenizer: Tokenizer, skipSpecials: Bool = true) {
        self.tokenizer = tokenizer
        skipsSpecials = skipSpecials
    }

    /// Takes a token and returns the text that has become complete, which may be none.
    public mutating func append(_ id: Int32) -> String {
        if skipsSpecials && tokenizer.isSpecial(id) { return "" }
        pending.append(contentsOf: tokenizer.bytes(of: id))
        let whole = pending.count - Self.incompleteSuffix(of: pending)
        defer { pending.removeFirst(whole) }
        return String(decoding: pending[..<whole], as: UTF8.self)
    }

    /// Ends the stream: U+FFFD for a character that was left incomplete, else nothing.
    public mutating func flush() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many bytes at the end are the valid beginning of a character that is not complete.
    private static func incompleteSuffix(of bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let suffix = bytes[(bytes.count - length)...]
            guard let lead = suffix.first else { return 0 }
            if lead & 0xC0 == 0x80 { continue }
            return isIncomplete(lead, second: suffix.dropFirst().first, count: length) ? length : 0
        }
        return 0
    }

    /// Whether a lead byte and `count - 1` continuation bytes may become a character (Unicode 16, table 3-7).
    private static func isIncomplete(_ lead: UInt8, second: UInt8?, count: Int) -> Bool {
        let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        guard lead >= 0xC2, lead <= 0xF4, count < length else { return false }
        guard let second else { return true }
        switch lead {
        case 0xE0: return second >= 0xA0
        case 0xED: return second < 0xA0
        case 0xF0: return second >= 0x90
        case 0xF4: return second < 0x90
        default: return true
        }
    }
}
