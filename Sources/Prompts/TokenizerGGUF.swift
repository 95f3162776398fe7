public import Storage

/// A tokenizer as a GGUF file lists it: every token by its id.
public struct ListedTokenizer: Sendable {
    /// `tokenizer.ggml.tokens`: entries in the byte-level alphabet; added tokens as they are written.
    public let tokens: [String]
    /// `tokenizer.ggml.token_type`, as many.
    public let types: [Int]
    /// `tokenizer.ggml.merges`: pairs of entries, a space between them.
    public let merges: [String]

    /// A tokenizer from its lists.
    /// - Throws: `badInput` when there are not as many types as tokens.
    public init(tokens: [String], types: [Int], merges: [String]) throws(Failure) {
        guard types.count == tokens.count else {
            throw .badInput(
                "has the types of \(types.count) tokens, but \(tokens.count) tokens",
                at: "metadata 'tokenizer.ggml.token_type'")
        }
        (self.tokens, self.types, self.merges) = (tokens, types, merges)
    }

    /// What words are made of, within which merging happens; the text is `tokenizer.ggml.pre`.
    public enum WordRule: String, CaseIterable, Sendable {
        /// Letters alone.
        case letters = "qwen2"
        /// Letters and combining marks.
        case lettersAndMarks = "qwen35"

        fileprivate var rule: PreTokenizer.Rule {
            switch self {
            case .letters: .letters
            case .lettersAndMarks: .lettersAndMarks
            }
        }
    }

    /// The kinds of tokens (`llama_token_type` in llama.h).
    fileprivate enum Kind: Int {
        case normal = 1
        case control = 3
        case userDefined = 4
        case unused = 5
    }

    fileprivate func kind(of id: Int) -> Kind? { Kind(rawValue: types[id]) }

    /// The id of an added token.
    public func id(of token: String) -> Int? {
        tokens.indices.first { kind(of: $0) != .normal && tokens[$0] == token }
    }
}

extension Tokenizer {
    /// The tokenizer of a list.
    ///
    /// Text is normalized (NFC) as the published tokenizers do, which the file does not say. What llama.cpp marks as control is
    /// special: also a token between bars (`<|fim_prefix|>`) that was published as an ordinary added one.
    /// - Throws: `badInput` naming the token or the merge that is not as it must be.
    public init(_ list: ListedTokenizer, _ rule: ListedTokenizer.WordRule) throws(Failure) {
        self = try TokenizerParts(list, rule.rule).assembled()
    }
}

extension TokenizerParts {
    fileprivate init(_ list: ListedTokenizer, _ rule: PreTokenizer.Rule) throws(Failure) {
        self.rule = rule
        for (id, token) in list.tokens.enumerated() {
            switch list.kind(of: id) {
            case .normal?: vocabulary.append((token, id))
            case .unused?: continue
            case .control?, .userDefined?:
                added.append(
                    Added(
                        id: id, content: token, isSpecial: list.kind(of: id) == .control, isNormalized: false)
                )
            case nil:
                throw .badInput(
                    "is \(list.types[id]) for token \(id), which is not supported",
                    at: "metadata 'tokenizer.ggml.token_type'")
            }
        }
        merges.reserveCapacity(list.merges.count)
        for (rank, merge) in list.merges.enumerated() {
            let parts = Self.pair(merge)
            guard parts.count == 2 else {
                throw .badInput("merge \(rank) is no pair", at: "metadata 'tokenizer.ggml.merges'")
            }
            merges.append((parts[0], parts[1]))
        }
    }
}
