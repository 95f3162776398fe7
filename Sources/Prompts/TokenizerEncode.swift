@_spi(_Unicode) import Swift

extension Tokenizer {
    /// The tokens of a text.
    public func encode(_ text: String, specials: Specials) -> [Int32] {
        switch specials {
        case .parse: encode([.markup(text)])
        case .asText: encode([.text(text)])
        }
    }

    /// The tokens of a prompt. Neighbouring texts are cut into words as one text, as if the prompt had been written
    /// out and encoded at once; only special tokens, media and boundaries separate.
    public func encode(_ pieces: [PromptPiece]) -> [Int32] {
        var encoder = PromptEncoder(self)
        for piece in pieces { encoder.append(piece) }
        encoder.flush()
        return encoder.tokens
    }
}

/// Collects plain text until a special token or the end comes, then encodes it.
struct PromptEncoder {
    private let tokenizer: Tokenizer
    private(set) var tokens: [Int32] = []
    private var pending: [UInt8] = []
    private var merger = WordMerger()

    init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    mutating func append(_ piece: PromptPiece) {
        switch piece {
        case .markup(let text): append(text, finding: tokenizer.specialsInText)
        case .text(let text): append(text, finding: tokenizer.wordsInText)
        case .boundary: flush()
        case .tokens(let ids):
            flush()
            tokens += ids
        case .media(_, let pad, let count):
            flush()
            tokens.append(contentsOf: repeatElement(pad, count: max(0, count)))
        }
    }

    private mutating func append(_ text: String, finding matcher: AddedTokenMatcher) {
        Array(text.utf8).withUnsafeBufferPointer { bytes in
            matcher.split(
                bytes, text: { pending.append(contentsOf: $0) },
                token: { id in
                    flush()
                    tokens.append(id)
                })
        }
    }

    /// Encodes the text collected so far.
    mutating func flush() {
        guard !pending.isEmpty else { return }
        let text = tokenizer.normalizes ? Self.normalized(pending) : pending
        pending.removeAll(keepingCapacity: true)
        text.withUnsafeBufferPointer { bytes in
            tokenizer.wordsInNormalized.split(
                bytes,
                text: { part in
                    PreTokenizer(text: part, rule: tokenizer.rule).forEachWord {
                        merger.merge($0, by: tokenizer, into: &tokens)
                    }
                },
                token: { tokens.append($0) })
        }
    }

    /// Unicode form NFC, by the standard library. Nothing below U+0300 combines with anything before it.
    private static func normalized(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(where: { $0 >= 0xCC }) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for scalar in String(decoding: bytes, as: UTF8.self)._nfc {
            result.append(contentsOf: Unicode.Scalar(scalar.value).map { Array(String($0).utf8) } ?? [])
        }
        return result
    }
}
