import Storage
import TestSupport
import Testing

@testable import Prompts

/// Added tokens may stand in any of a checkpoint's files: all of them together are the tokenizer.
@Suite struct TokenizerUnionTests {
    private let folder: TemporaryDirectory
    private let published: JSON
    private let settings: JSON

    init() throws {
        folder = try TemporaryDirectory()
        published = try Fixtures.json("demo-qwen2-vl/tokenizer.json")
        settings = try Fixtures.json("demo-qwen2-vl/tokenizer_config.json")
    }

    private func write(_ name: String, _ json: JSON) throws { try folder.write(name, json.serialized()) }

    private var added: [JSON] { published["added_tokens"]?.array ?? [] }

    /// tokenizer.json without its last added tokens.
    private func lacking(_ count: Int) -> JSON {
        published.setting("added_tokens", to: .array(added.dropLast(count)))
    }

    private func section() throws -> [UInt8] { try Tokenizer(checkpoint: folder.path).serialized() }

    private func refuses(_ parts: String...) {
        let refusal = failure { _ = try Tokenizer(checkpoint: folder.path) }
        #expect(refusal?.kind == .badInput)
        for part in parts {
            #expect(refusal?.description.contains(part) == true, "\(refusal?.description ?? "accepted")")
        }
    }

    /// As the published Qwen2-VL-2B-Instruct: the last special tokens stand in tokenizer_config.json alone.
    @Test func trailingTokensOfOtherFiles() throws {
        try write("tokenizer.json", published)
        let whole = try section()
        // A limit that nobody means is written out in full by Python.
        let huge = settings.serialized().replacing(
            /"model_max_length": ?\d+/, with: "\"model_max_length\":1000000000000000019884624838656")
        try folder.write("tokenizer_config.json", huge)
        #expect(huge.contains("1000000000000000019884624838656"))
        for count in 1...added.count {
            try write("tokenizer.json", lacking(count))
            #expect(try section() == whole)
        }
        let ids = added.compactMap { token in
            token["id"].flatMap { id in token["content"]?.string.map { JSON.Member($0, id) } }
        }
        try write("tokenizer_config.json", settings.setting("added_tokens_decoder", to: .null))
        try write("added_tokens.json", .object(ids))
        #expect(try section() == whole)
    }

    /// The same with the files of old, where the vocabulary and its merges stand by themselves.
    @Test func filesOfOld() throws {
        try write("tokenizer.json", published)
        let whole = try section()
        let old = try TemporaryDirectory()
        for name in ["vocab.json", "merges.txt"] {
            try putFile(old.file(name), try readFile(Fixtures.path("demo-qwen2-vl/\(name)")))
        }
        let contents = added.compactMap { $0["content"]?.string }
        let ids = added.compactMap { token in
            token["id"].map { JSON.Member(token["content"]?.string ?? "", $0) }
        }
        try old.write("added_tokens.json", JSON.object(ids).serialized())
        try old.write(
            "special_tokens_map.json",
            JSON.pairs([
                "additional_special_tokens": .array(contents.map(JSON.string)),
                "eos_token": .pairs(["content": "<|im_end|>", "lstrip": false]),
            ]).serialized())
        #expect(try Tokenizer(checkpoint: old.path).serialized() == whole)
        // Texts without ids are no tokens.
        removing(old, "added_tokens.json")
        #expect(failure { _ = try Tokenizer(checkpoint: old.path) }?.message.contains("ids") == true)
    }

    private func removing(_ folder: TemporaryDirectory, _ name: String) {
        try? Path.remove(folder.file(name))
    }

    @Test func disagreements() throws {
        try write("tokenizer.json", published)
        try write("added_tokens.json", .pairs(["<|image_pad|>": 439, "<|video_pad|>": 441]))
        refuses("added_tokens.json", "'<|video_pad|>' is token 441, but it is 440 in tokenizer.json")
        try write("added_tokens.json", .pairs(["<|other|>": 440]))
        refuses("token 440 is '<|other|>', but it is '<|video_pad|>' in tokenizer.json")
        // An id of the vocabulary, or a text of it.
        try write("added_tokens.json", .pairs(["<|other|>": 7]))
        refuses("added token 7 is \"<|other|>\", but the vocabulary has")
        try write("added_tokens.json", .pairs(["<|other|>": "7"]))
        refuses("no integer")
        removing(folder, "added_tokens.json")
        try write("tokenizer_config.json", .pairs(["added_tokens_decoder": .pairs(["x": .object([])])]))
        refuses("\"x\" is no id")
        try write(
            "special_tokens_map.json",
            .pairs(["eos_token": .pairs(["content": "<|im_end|>", "rstrip": true])]))
        try write("tokenizer_config.json", .object([]))
        refuses("special_tokens_map.json", "\"<|im_end|>\" has rstrip set")
    }

    /// Special tokens that are listed without ids follow those that have one, as transformers 5.24.0 numbers them.
    @Test func listsWithoutIDs() throws {
        func ids(_ lacking: Int, _ list: [String], named: String = "<|im_end|>") throws -> [Int32?] {
            try write("tokenizer.json", self.lacking(lacking))
            try write(
                "special_tokens_map.json",
                .pairs([
                    "additional_special_tokens": .array(list.map(JSON.string)), "eos_token": .string(named),
                ]))
            let tokenizer = try Tokenizer(checkpoint: folder.path)
            return ["<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"].map(tokenizer.id)
        }
        let list = added.compactMap { $0["content"]?.string }
        #expect(try ids(2, list) == [438, 439, 440])
        #expect(try ids(3, list) == [438, 439, 440])
        #expect(try ids(2, list.reversed()) == [438, 440, 439])
        #expect(try ids(2, []) == [438, nil, nil])
        // Where something would have to be guessed, there is no token.
        #expect(try ids(2, list, named: "<|unheard|>") == [438, nil, nil])
        #expect(try ids(added.count, list) == [nil, nil, nil])
        try write(
            "tokenizer_config.json", .pairs(["extra_special_tokens": ["<|video_pad|>", "<|image_pad|>"]]))
        #expect(try ids(2, list) == [438, nil, nil])
        try write(
            "tokenizer_config.json", .pairs(["extra_special_tokens": ["<|image_pad|>", "<|video_pad|>"]]))
        #expect(try ids(2, list) == [438, 439, 440])
    }

    /// Ignoring merges makes no difference where they come to every token, and is refused where they do not.
    @Test func ignoredMerges() throws {
        try write("tokenizer.json", published)
        let whole = try section()
        let model = try #require(published["model"])
        let ignoring = model.setting("ignore_merges", to: true)
        try write("tokenizer.json", published.setting("model", to: ignoring))
        #expect(try section() == whole)
        let merges = try #require(model["merges"]?.array)
        try write(
            "tokenizer.json",
            published.setting("model", to: ignoring.setting("merges", to: .array(merges.dropLast()))))
        refuses("ignore_merges is set, and merges do not make token")
    }

    /// A token that one file calls special is special.
    @Test func whatIsSpecial() throws {
        let plain = added.map { $0.setting("special", to: false) }
        try write("tokenizer.json", published.setting("added_tokens", to: .array(plain)))
        let id = try #require(try Tokenizer(checkpoint: folder.path).id(of: "<|image_pad|>"))
        #expect(try !Tokenizer(checkpoint: folder.path).isSpecial(id))
        try write(
            "special_tokens_map.json", .pairs(["additional_special_tokens": ["<|image_pad|>", "<|none|>"]]))
        #expect(try Tokenizer(checkpoint: folder.path).isSpecial(id))
    }

    @Test func singleTokens() throws {
        try write("tokenizer.json", lacking(1))
        let tokenizer = try Tokenizer(checkpoint: folder.path)
        #expect(try tokenizer.requireSingle("<|image_pad|>") == 439)
        for text in ["<|video_pad|>", "", "<|image_pad|><|image_pad|>"] {
            #expect(failure { try tokenizer.requireSingle(text) }?.kind == .badInput)
        }
        #expect(
            failure { try tokenizer.requireSingle("<|video_pad|>") }?.message.contains("'<|video_pad|>'")
                == true)
    }

    /// Other ways of writing the same: none makes another tokenizer.
    @Test func otherWriters() throws {
        try write("tokenizer.json", published)
        let whole = try section()
        func same(_ json: JSON) throws {
            try write("tokenizer.json", json)
            #expect(try section() == whole)
        }
        try same(
            published.setting(
                "normalizer", to: .pairs(["type": "Sequence", "normalizers": [.pairs(["type": "NFC"])]])))
        // Truncation and padding are undone by transformers before a text is encoded.
        try same(
            published.setting(
                "truncation", to: .pairs(["max_length": 2, "strategy": "LongestFirst", "stride": 0])
            ).setting("padding", to: .pairs(["strategy": .pairs(["Fixed": 32]), "pad_id": 0])))
        // Line breaks of the expression as themselves.
        let steps = try #require(published["pre_tokenizer"]?["pretokenizers"]?.array)
        let expression = PreTokenizer.Rule.letters.pattern.replacing(#"\r"#, with: "\r").replacing(
            #"\n"#, with: "\n")
        let split = steps[0].setting("pattern", to: .pairs(["Regex": .string(expression)]))
        try same(
            published.setting(
                "pre_tokenizer", to: .pairs(["type": "Sequence", "pretokenizers": [split, steps[1]]])))
        try write(
            "tokenizer.json",
            published.setting("normalizer", to: .pairs(["type": "Sequence", "normalizers": []])))
        #expect(try section() != whole)
    }
}
