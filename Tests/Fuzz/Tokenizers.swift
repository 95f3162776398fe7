import Storage
import TestSupport

@testable import Prompts

extension FuzzTarget {
    /// `tokenizer.json`.
    static let tokenizer = FuzzTarget(
        name: "tokenizer", maximumLength: 3072,
        words: [
            "added_tokens", "content", "special", "normalized", "vocab", "merges", "\"id\":", "NFC",
            "\u{120}", "Sequence",
            "lstrip", "[\"a\",\"b\"]", "\"a b\"",
        ],
        seeds: { [small, newer].map { Array($0.utf8) } },
        read: { bytes in try check(TokenizerParts(tokenizerJSON: parsed(bytes)).assembled()) })

    /// `qwen.tiktoken`: lines from rank 0 on. Where they are sound, a file has them behind the tokens of single bytes.
    static let tiktoken = FuzzTarget(
        name: "tiktoken", maximumLength: 512, words: ["YWI= 0\n", "YWJj 1\n", "=", "\r\n"],
        seeds: { [Array("YWI= 0\nYWJj 1\n".utf8), Array("IGE= 0\r\nYWE= 1\n".utf8)] },
        read: { bytes in
            do { _ = try RankedVocabulary(lines: bytes) } catch let failure as Failure {
                guard failure.message.hasPrefix("lacks the token") else { throw failure }
                let lines = bytes.split { $0 == 10 }.map { $0.split { $0 == 32 || $0 == 13 } }
                let ranked = lines.filter { !$0.isEmpty }.enumerated().flatMap { rank, fields in
                    fields[0] + Array(" \(256 + rank)\n".utf8)
                }
                try check(TokenizerParts(tiktoken: singleBytes + ranked).assembled())
            }
        })

    /// The tokenizer's section of a bundle.
    static let tokenizerSection = FuzzTarget(
        name: "tokenizer-section", maximumLength: 1024,
        seeds: {
            try [small, newer].map {
                try TokenizerParts(tokenizerJSON: parsed(Array($0.utf8))).assembled().serialized()
            }
        },
        read: { bytes in
            try check(bytes.withBytes { (section) throws(Failure) in try Tokenizer(serialized: section) })
        })

    private static let texts = ["ab a\u{301}b  \n'll<|x|>12", "\u{0}<|x|><|x|>aab abab"]

    /// What was read can be written and reads back, and it cuts texts into what makes them up.
    private static func check(_ tokenizer: Tokenizer) throws {
        let section = tokenizer.serialized()
        let again = try section.withBytes { (bytes) throws(Failure) in try Tokenizer(serialized: bytes) }
        require(again.serialized() == section, "the tokenizer reads back otherwise")
        for text in texts {
            let ids = tokenizer.encode(text, specials: .parse)
            require(
                ids == again.encode(text, specials: .parse), "the tokenizer that was read back cuts otherwise"
            )
            require(
                ids.allSatisfy { (0..<Int32(tokenizer.vocabularySize)).contains($0) }, "an id is out of range"
            )
            _ = tokenizer.decode(ids, skipSpecials: false)
        }
    }

    private static let small = """
        {"added_tokens":[{"id":3,"content":"<|x|>","special":true}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":
        "Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":PATTERN},"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},"model":{"type":"BPE","vocab":{"a":0,"b":1,
        "ab":2,"Ġ":4,"Ġab":5},"merges":["a b","Ġ ab"]}}
        """.replacing("PATTERN", with: JSON.string(PreTokenizer.Rule.letters.pattern).serialized())

    private static let newer = small.replacing(#"["a b","Ġ ab"]"#, with: #"[["a","b"],["Ġ","ab"]]"#)
        .replacing(
            #""model""#,
            with: #""post_processor":{"type":"TemplateProcessing","single":[{"Sequence":1}]},"model""#)

    /// The lines of single bytes, in base64.
    private static let singleBytes: [UInt8] = {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        return (0..<256).flatMap { byte in
            [letters[byte >> 2], letters[(byte & 3) << 4]] + Array("== \(byte)\n".utf8)
        }
    }()
}
