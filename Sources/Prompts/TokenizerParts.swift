import Storage

/// What the files of a checkpoint say of its tokenizer, before it is checked and put together.
struct TokenizerParts {
    /// An added token as the files state it.
    struct Added {
        var id: Int
        var content: String
        var isSpecial: Bool
        var isNormalized: Bool
    }

    var normalizes = true
    /// How text is cut into words.
    var rule = PreTokenizer.Rule.letters
    /// Whether a word that is a token is taken as that, whatever its merges.
    var ignoresMerges = false
    /// Entries in the byte-level alphabet, with their ids.
    var vocabulary: [(entry: String, id: Int)] = []
    /// Pairs of entries, the most urgent first.
    var merges: [(left: Substring, right: Substring)] = []
    var added: [Added] = []

    /// Checks everything and puts the tokenizer together.
    func assembled() throws(Failure) -> Tokenizer {
        // Keys are bytes, since Swift holds strings equal that differ in normalization only.
        var ids: [[UInt8]: UInt32] = [:]
        ids.reserveCapacity(vocabulary.count)
        var tokens: [[UInt8]] = []
        for (entry, id) in vocabulary {
            try place(ByteLevelAlphabet.bytes(of: entry), at: id, in: &tokens, replacing: false)
            guard ids.updateValue(UInt32(id), forKey: Array(entry.utf8)) == nil else {
                throw .badInput("the vocabulary has two entries \"\(entry)\"")
            }
        }
        let merges = try sortedMerges(ids)
        var added: [Tokenizer.AddedToken] = []
        var seen: Set<Int> = []
        let addedIDs = Set(self.added.map(\.id))
        let entries = Dictionary(
            vocabulary.lazy.filter { addedIDs.contains($0.id) }.map { ($0.id, $0.entry) },
            uniquingKeysWith: { first, _ in first })
        for token in self.added {
            let content = Array(token.content.utf8)
            if let entry = entries[token.id], Array(entry.utf8) != content, tokens[token.id] != content {
                throw .badInput(
                    "added token \(token.id) is \"\(token.content)\", but the vocabulary has \"\(entry)\" there"
                )
            }
            if let id = ids[content], id != token.id {
                throw .badInput(
                    "added token \"\(token.content)\" is \(token.id), but the vocabulary has it as \(id)")
            }
            guard !token.content.isEmpty, seen.insert(token.id).inserted else {
                throw .badInput("added token \(token.id) is empty or stated twice")
            }
            try place(content, at: token.id, in: &tokens, replacing: true)
            added.append(
                Tokenizer.AddedToken(
                    id: Int32(token.id), isSpecial: token.isSpecial, isNormalized: token.isNormalized))
        }
        var offsets: [UInt32] = [0]
        var bytes: [UInt8] = []
        for token in tokens {
            bytes.append(contentsOf: token)
            guard let end = UInt32(exactly: bytes.count) else {
                throw .badInput("the vocabulary is too large")
            }
            offsets.append(end)
        }
        let tokenizer = Tokenizer(
            normalizes: normalizes, rule: rule, bytes: bytes, offsets: offsets,
            merges: MergeTable(sorted: merges, vocabularySize: tokens.count), added: added)
        if ignoresMerges { try checkMerges(of: tokenizer) }
        return tokenizer
    }

    /// Where merges come to every token of the vocabulary by themselves, ignoring them makes no difference.
    private func checkMerges(of tokenizer: Tokenizer) throws(Failure) {
        var merger = WordMerger()
        for (entry, id) in vocabulary {
            var made: [Int32] = []
            ByteLevelAlphabet.bytes(of: entry).withUnsafeBufferPointer {
                merger.merge($0, by: tokenizer, into: &made)
            }
            guard made == [Int32(id)] || added.contains(where: { $0.id == id }) else {
                throw .badInput(
                    "ignore_merges is set, and merges do not make token \(id) (\"\(entry)\"), which is not supported",
                    at: "model.ignore_merges")
            }
        }
    }

    /// Ids may leave gaps, as those of a vocabulary that was cut down do, but few tokens make no table of millions.
    private var idLimit: Int {
        min(Tokenizer.maximumVocabularySize, max(1 << 20, 2 * (vocabulary.count + added.count)))
    }

    private func place(
        _ bytes: [UInt8], at id: Int, in tokens: inout [[UInt8]], replacing: Bool
    ) throws(Failure) {
        guard (0..<idLimit).contains(id) else {
            throw .badInput("token id \(id) is out of range for \(vocabulary.count + added.count) tokens")
        }
        while tokens.count <= id { tokens.append([]) }
        guard replacing || tokens[id].isEmpty else { throw .badInput("two vocabulary entries have id \(id)") }
        tokens[id] = bytes
    }

    private func sortedMerges(_ ids: [[UInt8]: UInt32]) throws(Failure) -> [MergeTable.Merge] {
        var sorted: [MergeTable.Merge] = []
        sorted.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() {
            let (left, right) = (Array(merge.left.utf8), Array(merge.right.utf8))
            guard let leftID = ids[left], let rightID = ids[right], let result = ids[left + right] else {
                throw .badInput(
                    "merge \(rank) (\"\(merge.left)\" and \"\(merge.right)\") has no entry in the vocabulary")
            }
            sorted.append(MergeTable.Merge(left: leftID, right: rightID, rank: UInt32(rank), result: result))
        }
        sorted.sort { $0.pair < $1.pair }
        for (first, second) in zip(sorted, sorted.dropFirst()) where first.pair == second.pair {
            throw .badInput("merges \(first.rank) and \(second.rank) are the same")
        }
        return sorted
    }
}
