public import Storage

/// Byte-level byte-pair encoding as the Qwen models use it: text to token ids and back.
///
/// Text is brought to Unicode form NFC, cut into words by the rule of ``PreTokenizer``, and each word's UTF-8
/// bytes are merged pair by pair, the pair learnt first going first. Tokens that were added to the vocabulary by hand
/// (`<|im_start|>`, `<|image_pad|>`) are found in the text before all that.
///
/// Made from a checkpoint by ``init(checkpoint:)`` or from a bundle by ``init(serialized:)``.
public struct Tokenizer: Sendable {
    /// How special tokens written out in a text are treated.
    public enum Specials: Sendable {
        /// `<|im_end|>` in the text becomes that one token.
        case parse
        /// `<|im_end|>` in the text is ordinary text: what a user typed cannot steer the model.
        /// Added tokens that are not marked special are ordinary vocabulary and still found.
        case asText
    }

    /// A token that was added to the vocabulary by hand and is found in text as a whole.
    struct AddedToken: Equatable, Sendable {
        var id: Int32
        /// Carries structure, not text: left out of decoded text, and not found in ``Specials/asText``.
        var isSpecial: Bool
        /// Found in normalized text only, as opposed to the text as given.
        var isNormalized: Bool
    }

    /// Whether text is brought to NFC before it is cut.
    let normalizes: Bool
    /// How text is cut into words.
    let rule: PreTokenizer.Rule
    /// The bytes of all tokens one after another.
    let bytes: [UInt8]
    /// `offsets[id]..<offsets[id + 1]` are the bytes of token `id`; an unused id has none.
    let offsets: [UInt32]
    let merges: MergeTable
    let added: [AddedToken]

    /// Derived: the token of each single byte, -1 where the vocabulary has none.
    let byteTokens: [Int32]
    /// Derived: finds added tokens in text as given.
    let specialsInText: AddedTokenMatcher
    /// Derived: finds those added tokens in text as given that are not special.
    let wordsInText: AddedTokenMatcher
    /// Derived: finds added tokens in normalized text.
    let wordsInNormalized: AddedTokenMatcher
    /// Derived: the ids of special tokens.
    let specialIDs: Set<Int32>

    /// Puts a tokenizer together from parts that were checked.
    init(
        normalizes: Bool, rule: PreTokenizer.Rule, bytes: [UInt8], offsets: [UInt32], merges: MergeTable,
        added: [AddedToken]
    ) {
        self.normalizes = normalizes
        self.rule = rule
        self.bytes = bytes
        self.offsets = offsets
        self.merges = merges
        self.added = added
        let addedIDs = Set(added.map(\.id))
        var byteTokens = [Int32](repeating: -1, count: 256)
        for id in 0..<(offsets.count - 1) where offsets[id + 1] - offsets[id] == 1 {
            let byte = Int(bytes[Int(offsets[id])])
            if byteTokens[byte] < 0, !addedIDs.contains(Int32(id)) { byteTokens[byte] = Int32(id) }
        }
        self.byteTokens = byteTokens
        func matcher(where isIncluded: (AddedToken) -> Bool) -> AddedTokenMatcher {
            AddedTokenMatcher(
                added.filter(isIncluded).map { token in
                    let id = Int(token.id)
                    return (Array(bytes[Int(offsets[id])..<Int(offsets[id + 1])]), token.id)
                })
        }
        specialsInText = matcher { $0.isSpecial || !$0.isNormalized }
        wordsInText = matcher { !$0.isSpecial && !$0.isNormalized }
        wordsInNormalized = matcher { !$0.isSpecial && $0.isNormalized }
        specialIDs = Set(added.filter(\.isSpecial).map(\.id))
    }

    /// One more than the highest token id. Models often have more rows than this in their tables.
    public var vocabularySize: Int { offsets.count - 1 }

    /// Tokens that were added to the vocabulary by hand.
    public var addedTokenCount: Int { added.count }

    /// The bytes of a token, which need not be whole characters; empty for an id that is not in use.
    public func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard id >= 0, id < vocabularySize else { return [] }
        return bytes[Int(offsets[Int(id)])..<Int(offsets[Int(id) + 1])]
    }

    /// Whether a token carries structure, not text.
    public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

    /// The id of the token with exactly this text, added tokens first. Takes time proportional to the vocabulary.
    public func id(of token: String) -> Int32? {
        let wanted = Array(token.utf8)
        guard !wanted.isEmpty else { return nil }
        if let match = added.first(where: { bytes(of: $0.id).elementsEqual(wanted) }) { return match.id }
        for id in 0..<vocabularySize where Int(offsets[id + 1] - offsets[id]) == wanted.count {
            if bytes(of: Int32(id)).elementsEqual(wanted) { return Int32(id) }
        }
        return nil
    }

    /// The id of a text that must be a single token wherever it stands in markup: a mark of a template, a placeholder.
    /// - Throws: `badInput` when it is none, or is written out in several.
    @discardableResult
    public func requireSingle(_ text: String) throws(Failure) -> Int32 {
        let tokens = encode(text, specials: .parse)
        guard tokens.count == 1, let token = tokens.first else {
            throw .badInput(
                "'\(text)' is no token of the tokenizer: it would be written out in \(tokens.count)",
                remedy: "take all files of the tokenizer from the original model")
        }
        return token
    }

    /// The text of tokens. Bytes that are no valid UTF-8 become U+FFFD; ids that are not in use have no text.
    public func decode(_ ids: [Int32], skipSpecials: Bool = true) -> String {
        var text: [UInt8] = []
        for id in ids where !(skipSpecials && isSpecial(id)) { text.append(contentsOf: bytes(of: id)) }
        return String(decoding: text, as: UTF8.self)
    }
}
