public import Storage

extension Tokenizer {
    /// Whether a checkpoint comes with a tokenizer.
    public static func exists(inCheckpoint directory: String) -> Bool {
        ["tokenizer.json", "vocab.json", "qwen.tiktoken"].contains { Path.exists(Path.join(directory, $0)) }
    }

    /// Reads the tokenizer of a published checkpoint: `tokenizer.json`, or else `vocab.json` and `merges.txt`, both with
    /// the added tokens of all files that state any, or else `qwen.tiktoken`.
    ///
    /// - Throws: `badInput` naming the file and what in it is not as the Qwen models have it.
    public init(checkpoint directory: String) throws(Failure) {
        let file = Path.join(directory, "tokenizer.json")
        if Path.exists(file) {
            do {
                var parts = try TokenizerParts(tokenizerJSON: try JSON(file: file))
                try parts.unite(withFilesOf: directory, tokenizer: file)
                self = try parts.assembled()
            } catch { throw error.located(in: file) }
            return
        }
        let ranked = Path.join(directory, "qwen.tiktoken")
        let vocabulary = Path.join(directory, "vocab.json")
        guard Path.exists(vocabulary) else {
            guard Path.exists(ranked) else {
                throw .badInput(
                    "has neither tokenizer.json nor vocab.json and merges.txt nor qwen.tiktoken",
                    file: directory)
            }
            do {
                self = try TokenizerParts(tiktoken: try readFile(ranked, limit: 16 << 20)).assembled()
            } catch { throw error.located(in: ranked) }
            return
        }
        do {
            self = try TokenizerParts(directory: directory, vocabulary: vocabulary).assembled()
        } catch { throw error.located(in: vocabulary) }
    }
}

extension TokenizerParts {
    /// Takes `tokenizer.json` apart, refusing whatever this tokenizer would do otherwise than it says.
    init(tokenizerJSON json: JSON) throws(Failure) {
        guard let model = json["model"] else { throw .badInput("has no \"model\"") }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" else {
            throw .badInput("is a \(type) model; only BPE is known", at: "model.type")
        }
        for key in ["dropout", "unk_token", "byte_fallback"] {
            guard let value = model[key], value != false else { continue }
            throw .badInput("\(key) is set, which is not supported", at: "model.\(key)")
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            guard let value = model[key], value != "" else { continue }
            throw .badInput("\(key) is set, which is not supported", at: "model.\(key)")
        }
        if let value = model["ignore_merges"], value != false { ignoresMerges = true }
        normalizes = try Self.normalizes(json["normalizer"])
        rule = try Self.wordRule(json["pre_tokenizer"])
        try Self.checkPostProcessor(json["post_processor"])
        vocabulary = try Self.vocabulary(model["vocab"])
        merges = try Self.merges(model["merges"])
        for token in json["added_tokens"]?.array ?? [] {
            guard let id = token["id"]?.int else {
                throw .badInput("an added token has no id", at: "added_tokens")
            }
            added.append(try Added(id: id, json: token))
        }
    }

    private static func normalizes(_ normalizer: JSON?) throws(Failure) -> Bool {
        guard let normalizer else { return false }
        if normalizer["type"] == "Sequence", let steps = normalizer["normalizers"]?.array, steps.count <= 1 {
            return try normalizes(steps.first)
        }
        guard normalizer["type"] == "NFC" else {
            throw .badInput(
                "is \(normalizer["type"]?.string ?? "unknown"); only NFC or none is known", at: "normalizer")
        }
        return true
    }

    private static func wordRule(_ json: JSON?) throws(Failure) -> PreTokenizer.Rule {
        let steps = json?["type"] == "Sequence" ? json?["pretokenizers"]?.array ?? [] : []
        guard steps.count == 2, steps[0]["type"] == "Split", steps[1]["type"] == "ByteLevel" else {
            throw .badInput("is not a Split followed by ByteLevel, as Qwen's is", at: "pre_tokenizer")
        }
        let pattern = steps[0]["pattern"]?["Regex"]?.string.map(escaped)
        guard let rule = PreTokenizer.Rule.allCases.first(where: { $0.pattern == pattern }) else {
            throw .badInput("splits by another expression than Qwen's", at: "pre_tokenizer")
        }
        guard steps[0]["behavior"] == "Isolated", steps[0]["invert"] != true,
            steps[1]["add_prefix_space"] == false, steps[1]["use_regex"] == false
        else { throw .badInput("has other settings than Qwen's", at: "pre_tokenizer") }
        return rule
    }

    /// An expression with line breaks as the escapes that stand for them.
    private static func escaped(_ expression: String) -> String {
        // By scalars: CR and LF side by side are one character to Swift.
        expression.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\r": text += "\\r"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// A post-processor may be there as long as it adds no tokens.
    private static func checkPostProcessor(_ json: JSON?) throws(Failure) {
        switch json?["type"]?.string {
        case nil, "ByteLevel": return
        case "TemplateProcessing":
            let parts = json?["single"]?.array ?? []
            guard parts.count == 1, parts[0]["Sequence"] != nil else {
                throw .badInput("adds tokens of its own, which is not supported", at: "post_processor")
            }
        case let type?: throw .badInput("is a \(type), which is not supported", at: "post_processor")
        }
    }

    private static func vocabulary(_ json: JSON?) throws(Failure) -> [(entry: String, id: Int)] {
        guard let members = json?.members else { throw .badInput("has no vocabulary") }
        var vocabulary: [(entry: String, id: Int)] = []
        vocabulary.reserveCapacity(members.count)
        for member in members {
            guard let id = member.value.int else {
                throw .badInput("the id of \"\(member.key)\" is no integer")
            }
            vocabulary.append((member.key, id))
        }
        return vocabulary
    }

    /// Each merge is `"a b"`, or `["a", "b"]` in newer files.
    private static func merges(_ json: JSON?) throws(Failure) -> [(left: Substring, right: Substring)] {
        guard let array = json?.array else { throw .badInput("has no merges", at: "model.merges") }
        var merges: [(left: Substring, right: Substring)] = []
        merges.reserveCapacity(array.count)
        for (index, element) in array.enumerated() {
            let parts = element.string.map(pair) ?? element.strings.map { $0.map { Substring($0) } } ?? []
            guard parts.count == 2 else { throw .badInput("merge \(index) is no pair", at: "model.merges") }
            merges.append((parts[0], parts[1]))
        }
        return merges
    }

    /// `"a b"` cut at its space. By scalars: a space followed by a combining mark is one character to Swift.
    static func pair(_ line: some StringProtocol) -> [Substring] {
        Substring(line).unicodeScalars.split(separator: " ", omittingEmptySubsequences: false).map {
            Substring($0)
        }
    }

    /// Reads the older files, each with a part of the tokenizer.
    init(directory: String, vocabulary file: String) throws(Failure) {
        vocabulary = try Self.vocabulary(try JSON(file: file))
        let mergesFile = Path.join(directory, "merges.txt")
        let text = String(decoding: try readFile(mergesFile), as: UTF8.self)
        for line in text.unicodeScalars.split(whereSeparator: { $0 == "\n" || $0 == "\r" }) {
            if merges.isEmpty, line.starts(with: "#version".unicodeScalars) { continue }
            let parts = Self.pair(String(line))
            guard parts.count == 2 else {
                throw .badInput("line \"\(String(line))\" is no pair", file: mergesFile)
            }
            merges.append((parts[0], parts[1]))
        }
        try unite(withFilesOf: directory, tokenizer: file)
        guard !added.isEmpty else {
            throw .badInput(
                "has no tokenizer.json, and no other file states the ids of its special tokens",
                file: directory,
                remedy: "copy tokenizer.json or tokenizer_config.json from the original model")
        }
    }

    /// Adds the added tokens of the checkpoint's other files to those of `tokenizer`.
    fileprivate mutating func unite(
        withFilesOf directory: String, tokenizer file: String
    ) throws(Failure) {
        var united = TokenizerAddedTokens()
        for token in added { try united.add(token, from: file) }
        try united.addFiles(of: directory)
        try united.numberRest(vocabularySize: vocabulary.count, file: file)
        added = united.tokens
    }
}

extension TokenizerParts.Added {
    /// An entry of `added_tokens` or `added_tokens_decoder`.
    init(id: Int, json: JSON) throws(Failure) {
        guard let content = json["content"]?.string else {
            throw .badInput("added token \(id) has no content")
        }
        for key in ["single_word", "lstrip", "rstrip"] where json[key] == true {
            throw .badInput("added token \"\(content)\" has \(key) set, which is not supported")
        }
        self.init(
            id: id, content: content, isSpecial: json["special"] == true,
            isNormalized: json["normalized"] == true)
    }
}
