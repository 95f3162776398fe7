import Storage
import TestSupport
import Testing

@testable import Prompts

@Suite struct TokenizerErrorTests {
    private static let good = """
        {"added_tokens": [{"id": 3, "content": "<|x|>", "special": true}], "normalizer": {"type": "NFC"},
         "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
         "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
        """.replacing("PATTERN", with: JSON.string(PreTokenizer.Rule.letters.pattern).serialized())

    private func importing(_ text: String) -> Failure? {
        failure {
            let folder = try TemporaryDirectory()
            try folder.write("tokenizer.json", text)
            _ = try Tokenizer(checkpoint: folder.path)
        }
    }

    @Test func smallestTokenizerIsRead() throws {
        let folder = try TemporaryDirectory()
        try folder.write("tokenizer.json", Self.good)
        let tokenizer = try Tokenizer(checkpoint: folder.path)
        #expect(tokenizer.encode("ab<|x|>b", specials: .parse) == [2, 3, 1])
        // Newer files have pairs for merges, and a template that adds nothing.
        let newer = Self.good.replacing(#"["a b"]"#, with: #"[["a", "b"]]"#).replacing(
            #""model""#,
            with:
                #""post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}, "model""#
        )
        try folder.write("tokenizer.json", newer)
        #expect(try Tokenizer(checkpoint: folder.path).serialized() == tokenizer.serialized())
    }

    /// A vocabulary that was cut down keeps the published ids of its special tokens.
    @Test func idsMayLeaveGaps() throws {
        let folder = try TemporaryDirectory()
        try folder.write("tokenizer.json", Self.good.replacing(#""id": 3"#, with: #""id": 151643"#))
        let tokenizer = try Tokenizer(checkpoint: folder.path)
        #expect(tokenizer.encode("ab<|x|>b", specials: .parse) == [2, 151_643, 1])
    }

    /// The older files of the same tokenizer give the same tokenizer.
    @Test func olderFilesAreRead() throws {
        let folder = try TemporaryDirectory()
        let json = try Fixtures.json("tokenizer/tokenizer.json")
        try folder.write("vocab.json", try #require(json["model"]?["vocab"]).serialized())
        let merges = try #require(json["model"]?["merges"]?.strings)
        try folder.write("merges.txt", "#version: 0.2\n" + merges.joined(separator: "\n") + "\n")
        #expect(failure { _ = try Tokenizer(checkpoint: folder.path) }?.kind == .badInput)
        let added = try #require(json["added_tokens"]?.array).map { token in
            JSON.Member("\(token["id"]?.int ?? -1)", token)
        }
        try folder.write(
            "tokenizer_config.json", JSON.pairs(["added_tokens_decoder": .object(added)]).serialized())
        let whole = try Tokenizer(checkpoint: Fixtures.path("tokenizer"))
        #expect(try Tokenizer(checkpoint: folder.path).serialized() == whole.serialized())
    }

    @Test(arguments: [
        (#""type": "BPE""#, #""type": "Unigram""#, "Unigram"),
        (#""type": "NFC""#, #""type": "NFKC""#, "NFKC"),
        (#"\\p{N}|"#, #"\\p{N}{1,3}|"#, "expression"),
        (#""use_regex": false"#, #""use_regex": true"#, "settings"),
        (#""type": "Sequence""#, #""type": "Metaspace""#, "ByteLevel"),
        (#"["a b"]"#, #"["a c"]"#, "no entry"),
        (#"["a b"]"#, #"["ab"]"#, "no pair"),
        (#"["a b"]"#, #"["a b", "a b"]"#, "the same"),
        (#"["a b"]"#, #"7"#, "no merges"),
        (#""ab": 2"#, #""ab": 1"#, "have id 1"),
        (#""ab": 2"#, #""ab": -2"#, "out of range"),
        (#""ab": 2"#, #""ab": 4000000000"#, "out of range"),
        // A table of sixteen million for three tokens.
        (#""ab": 2"#, #""ab": 16777215"#, "out of range for 4 tokens"),
        (#""ab": 2"#, #""ab": "2""#, "no integer"),
        (#""special": true"#, #""lstrip": true"#, "lstrip"),
        (#""content": "<|x|>""#, #""content": """#, "empty"),
        (#""merges""#, #""byte_fallback": true, "merges""#, "byte_fallback"),
        (#""model""#, #""modell""#, "model"),
        (
            #""model""#,
            #""post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}, "model""#,
            "adds tokens"
        ),
        (#""model""#, #""post_processor": {"type": "BertProcessing"}, "model""#, "BertProcessing"),
        ("{", "[", "JSON"),
    ])
    func otherTokenizersAreRefused(original: String, replacement: String, reason: String) throws {
        let refusal = importing(Self.good.replacing(original, with: replacement, maxReplacements: 1))
        #expect(refusal?.kind == .badInput)
        #expect(refusal?.description.contains(reason) == true, "\(refusal?.description ?? "accepted")")
        #expect(refusal?.file?.hasSuffix("tokenizer.json") == true)
    }

    @Test func missingFilesAreNamed() throws {
        let folder = try TemporaryDirectory()
        #expect(failure { _ = try Tokenizer(checkpoint: folder.path) }?.kind == .badInput)
    }

    @Test func truncatedSectionsAreRefused() throws {
        let bytes = try Tokenizer(checkpoint: Fixtures.path("tokenizer")).serialized()
        for count in stride(from: 0, to: bytes.count, by: 97) {
            #expect(failure { _ = try Tokenizer(serialized: Array(bytes[..<count])) }?.kind == .badInput)
        }
        #expect(failure { _ = try Tokenizer(serialized: bytes + [0]) }?.kind == .badInput)
    }

    /// A damaged section is refused, or is another valid tokenizer; it never traps.
    @Test func damagedSectionsNeverTrap() throws {
        let folder = try TemporaryDirectory()
        try folder.write("tokenizer.json", Self.good)
        let bytes = try Tokenizer(checkpoint: folder.path).serialized()
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                guard let tokenizer = try? Tokenizer(serialized: damaged) else { continue }
                let tokens = tokenizer.encode("ab<|x|> ba", specials: .parse)
                _ = tokenizer.decode(tokens, skipSpecials: false)
            }
        }
    }
}
