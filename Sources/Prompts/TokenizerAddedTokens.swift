import Storage

/// The added tokens that the files of a checkpoint state, united by their ids.
///
/// Each file may leave some out: published models came without the last special tokens in `tokenizer.json`, which
/// `tokenizer_config.json` has. What two files say of one id or of one text must be the same.
struct TokenizerAddedTokens {
    private struct Entry {
        var token: TokenizerParts.Added
        let file: String
    }

    private var entries: [Int: Entry] = [:]
    /// By the bytes of the text: Swift holds strings equal that differ in normalization only.
    private var ids: [[UInt8]: Int] = [:]
    /// Lists of special tokens, each without those that have an id; no list twice.
    private var unnumbered: [[String]] = []
    /// Whether a token that has a name, such as `eos_token`, has no id.
    private var lacksNamed = false

    /// In the order of their ids.
    var tokens: [TokenizerParts.Added] {
        entries.sorted { $0.key < $1.key }.map(\.value.token)
    }

    /// Adds what `file` states. What is special in one file is special.
    /// - Throws: `badInput` naming both files when they disagree.
    mutating func add(_ token: TokenizerParts.Added, from file: String) throws(Failure) {
        let bytes = Array(token.content.utf8)
        if let earlier = entries[token.id], Array(earlier.token.content.utf8) != bytes {
            throw .badInput(
                "says that token \(token.id) is '\(token.content)', but it is '\(earlier.token.content)' in "
                    + Path.name(earlier.file),
                file: file, remedy: remedy)
        }
        if let id = ids[bytes], id != token.id {
            throw .badInput(
                "says that '\(token.content)' is token \(token.id), but it is \(id) in "
                    + Path.name(entries[id]?.file ?? file),
                file: file, remedy: remedy)
        }
        ids[bytes] = token.id
        let isSpecial = token.isSpecial || entries[token.id]?.token.isSpecial == true
        entries[token.id] = entries[token.id] ?? Entry(token: token, file: file)
        entries[token.id]?.token.isSpecial = isSpecial
    }

    private var remedy: String { "take all files of the tokenizer from one model" }

    /// Marks a token as special whose text alone a file states.
    /// - Returns: whether it has an id.
    private mutating func markSpecial(_ content: String) -> Bool {
        guard let id = ids[Array(content.utf8)] else { return false }
        entries[id]?.token.isSpecial = true
        return true
    }

    /// Gives ids to listed special tokens that no file has any for: those that follow, as transformers 5.24 does.
    ///
    /// Only where nothing is left to guess: the first special tokens have ids, and files agree about the order of the rest.
    mutating func numberRest(vocabularySize: Int, file: String) throws(Failure) {
        guard let last = entries.keys.max(), last < Tokenizer.maximumVocabularySize, !lacksNamed,
            unnumbered.count == 1
        else { return }
        for (index, content) in unnumbered[0].enumerated() {
            let id = max(last + 1, vocabularySize) + index
            try add(
                TokenizerParts.Added(id: id, content: content, isSpecial: true, isNormalized: false),
                from: file)
        }
    }
}

extension TokenizerAddedTokens {
    /// Adds what the files beside `tokenizer.json` state.
    mutating func addFiles(of directory: String) throws(Failure) {
        let config = Path.join(directory, "tokenizer_config.json")
        let settings: JSON = Path.exists(config) ? try JSON(file: config) : .null
        for member in settings["added_tokens_decoder"]?.members ?? [] {
            guard let id = Int(member.key) else {
                throw .badInput("\"\(member.key)\" is no id", file: config)
            }
            do {
                try add(TokenizerParts.Added(id: id, json: member.value), from: config)
            } catch { throw error.located(in: config) }
        }
        let list = Path.join(directory, "added_tokens.json")
        if Path.exists(list) {
            guard let members = try JSON(file: list).members else {
                throw .badInput("is no object", file: list)
            }
            for member in members {
                guard let id = member.value.int else {
                    throw .badInput("the id of \"\(member.key)\" is no integer", file: list)
                }
                // The file does not say which are special; Qwen's special ones are those between bars.
                let isSpecial = member.key.hasPrefix("<|") && member.key.hasSuffix("|>")
                try add(
                    TokenizerParts.Added(
                        id: id, content: member.key, isSpecial: isSpecial, isNormalized: false), from: list)
            }
        }
        let map = Path.join(directory, "special_tokens_map.json")
        try markNames(settings, of: config)
        if Path.exists(map) { try markNames(try JSON(file: map), of: map) }
    }

    /// Marks the tokens that have a name, such as `eos_token`, or are listed as special.
    private mutating func markNames(_ json: JSON, of file: String) throws(Failure) {
        for member in json.members ?? [] {
            let isList = ["additional_special_tokens", "extra_special_tokens"].contains(member.key)
            guard isList || member.key.hasSuffix("_token") else { continue }
            let listed =
                member.value.array ?? member.value.members.flatMap { members in
                    // A list may be an object of names; a token may be one of its text and flags.
                    isList ? members.map(\.value) : nil
                } ?? [member.value]
            var rest: [String] = []
            for value in listed {
                let content: String
                if let text = value.string {
                    content = text
                } else if value["content"] != nil {
                    do { content = try TokenizerParts.Added(id: 0, json: value).content } catch {
                        throw error.located(in: file)
                    }
                } else {
                    continue
                }
                if !markSpecial(content), !rest.contains(content) { rest.append(content) }
            }
            guard !rest.isEmpty else { continue }
            if !isList {
                lacksNamed = true
            } else if !unnumbered.contains(rest) {
                unnumbered.append(rest)
            }
        }
    }
}
