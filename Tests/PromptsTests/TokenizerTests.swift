import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct TokenizerTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(checkpoint: Fixtures.path("tokenizer")) }

    /// With marks as letters the words are those of Python's `regex` for the expression that Qwen3.5 states.
    @Test(arguments: [
        ("preprocessing/pretokenize.json", PreTokenizer.Rule.letters),
        ("preprocessing/pretokenize-marks.json", .lettersAndMarks),
    ])
    func wordsEqualReference(file: String, rule: PreTokenizer.Rule) throws {
        let cases = try #require(try Fixtures.json(file).array)
        #expect(cases.count >= 20)
        for entry in cases {
            let parts = try #require(entry.array)
            let text = Array(try #require(parts[1].string).utf8)
            var words: [[UInt8]] = []
            text.withUnsafeBufferPointer {
                PreTokenizer(text: $0, rule: rule).forEachWord { words.append(Array($0)) }
            }
            #expect(words == parts[2].strings?.map { Array($0.utf8) }, "\(parts[1])")
        }
    }

    @Test func tokensEqualReference() throws {
        let cases = try #require(try Fixtures.json("tokenizer/expected.json").array)
        #expect(cases.count > 200)
        for entry in cases {
            let text = try #require(entry["text"]?.string)
            let parsed = entry["parsed"]?.ints?.map { Int32($0) }
            let asText = entry["as_text"]?.ints?.map { Int32($0) } ?? parsed
            #expect(tokenizer.encode(text, specials: .parse) == parsed, "\(text.debugDescription)")
            #expect(tokenizer.encode(text, specials: .asText) == asText, "\(text.debugDescription)")
        }
    }

    @Test func serializedTokenizerIsTheSame() throws {
        let bytes = tokenizer.serialized()
        let again = try Tokenizer(serialized: bytes)
        #expect(again.serialized() == bytes)
        #expect(again.vocabularySize == tokenizer.vocabularySize)
        let text = "<|im_start|>user\nWhat's 12 × 3?<|im_end|> <tool_call>"
        #expect(again.encode(text, specials: .parse) == tokenizer.encode(text, specials: .parse))
        #expect(again.encode(text, specials: .asText) == tokenizer.encode(text, specials: .asText))
    }

    @Test func decodingInvertsEncoding() throws {
        for text in ["Hello, wörld!\n", "你好 👩‍👩‍👧"] {
            let tokens = tokenizer.encode(text, specials: .asText)
            #expect(Array(tokenizer.decode(tokens).utf8) == Array(text.utf8))
        }
        // What was written as two characters comes back as the one that they compose.
        let composed = tokenizer.decode(tokenizer.encode("a\u{323}b", specials: .asText))
        #expect(Array(composed.unicodeScalars) == ["\u{1EA1}", "b"])
        let special = tokenizer.encode("a<|im_end|>b", specials: .parse)
        #expect(tokenizer.decode(special) == "ab")
        #expect(tokenizer.decode(special, skipSpecials: false) == "a<|im_end|>b")
        #expect(tokenizer.decode([-1, .max, Int32(tokenizer.vocabularySize)]) == "")
    }

    @Test func tokensAreFoundByText() throws {
        let end = try #require(tokenizer.id(of: "<|im_end|>"))
        #expect(tokenizer.isSpecial(end))
        #expect(tokenizer.id(of: " the").map { tokenizer.decode([$0]) } == " the")
        #expect(tokenizer.id(of: "no such token") == nil)
        #expect(tokenizer.id(of: "") == nil)
    }

    /// Streamed text is whole characters, and together the text of all tokens.
    @Test func streamingEqualsDecoding() throws {
        let texts = ["naïve 你好 👩‍👩‍👧 🇩🇪", "<|im_start|>x", "Ω"]
        for text in texts {
            let tokens = tokenizer.encode(text, specials: .parse)
            for cut in 0...tokens.count {
                var stream = Detokenizer(tokenizer)
                var output = ""
                for token in tokens[..<cut] {
                    let part = stream.append(token)
                    #expect(!part.unicodeScalars.contains("\u{FFFD}"))
                    output += part
                }
                output += stream.flush()
                #expect(output == tokenizer.decode(Array(tokens[..<cut])))
            }
        }
    }

    /// Bytes that are no UTF-8 in any order come out of the stream as they do from decoding at once.
    @Test func streamingOfRandomBytes() throws {
        var random = SystemRandomNumberGenerator()
        let bytes = tokenizer.byteTokens.filter { $0 >= 0 }
        let leads = tokenizer.byteTokens[0x80...].filter { $0 >= 0 }
        for _ in 0..<500 {
            let tokens = (0..<12).compactMap { _ in
                (Bool.random() ? bytes : leads).randomElement(using: &random)
            }
            var stream = Detokenizer(tokenizer)
            var output = tokens.reduce("") { $0 + stream.append($1) }
            output += stream.flush()
            #expect(
                Array(output.unicodeScalars) == Array(tokenizer.decode(tokens).unicodeScalars), "\(tokens)")
        }
    }

    /// One word of a million letters takes n log n steps, not n².
    @Test(.timeLimit(.minutes(1))) func longWordsAreFast() throws {
        let tokens = tokenizer.encode(String(repeating: "a", count: 1_000_000), specials: .asText)
        #expect(tokenizer.decode(tokens).utf8.count == 1_000_000)
        let spaces = tokenizer.encode(String(repeating: " ", count: 1_000_000) + "x", specials: .asText)
        #expect(tokenizer.decode(spaces).utf8.count == 1_000_001)
    }
}
