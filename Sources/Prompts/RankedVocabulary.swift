import Storage

/// The vocabulary of the first generation, as tiktoken writes it: on each line a token in base64 and its rank, which is its
/// id. Two neighbouring parts of a word merge when what they make is a token, the one of the lowest rank first.
///
/// Merges are not written down, but each token has one at most. Within the bytes of a token, merging goes the same way
/// wherever they stand, as long as nothing merges across their ends, and nothing has when the token is made. So it is made
/// of the last two parts that merging its own bytes comes to.
struct RankedVocabulary {
    /// More bytes than any token has: the longest published one is 128 spaces.
    private static let longestToken = 256

    /// By rank.
    private(set) var tokens: [[UInt8]] = []
    private var ranks: [[UInt8]: Int] = [:]

    /// Reads the lines of a file.
    /// - Throws: `badInput` naming the line that is malformed, out of order or repeats a token.
    init(lines file: [UInt8]) throws(Failure) {
        var rest = file[...]
        var number = 0
        while !rest.isEmpty {
            number += 1
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            rest = rest.dropFirst(line.count + 1)
            let fields = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }
            if fields.isEmpty { continue }
            let place = "line \(number)"
            guard fields.count == 2, let token = Base64.decode(fields[0]),
                let rank = Int(String(decoding: fields[1], as: UTF8.self))
            else { throw .badInput("is no token in base64 and its rank", at: place) }
            guard rank == tokens.count, rank < Tokenizer.maximumVocabularySize else {
                throw .badInput("has rank \(rank) where \(tokens.count) comes next", at: place)
            }
            guard (1...Self.longestToken).contains(token.count) else {
                throw .badInput("has a token of \(token.count) bytes", at: place)
            }
            if let earlier = ranks.updateValue(rank, forKey: token) {
                throw .badInput("has the token of rank \(earlier) again", at: place)
            }
            tokens.append(token)
        }
        for byte in UInt8.min...UInt8.max where ranks[[byte]] == nil {
            throw .badInput("lacks the token of the byte \(byte)")
        }
    }

    /// The two parts that the token of `rank` is made of; nil for a single byte.
    /// - Throws: `badInput` when no merging of its bytes gives the token.
    func parts(of rank: Int) throws(Failure) -> (left: ArraySlice<UInt8>, right: ArraySlice<UInt8>)? {
        let token = tokens[rank]
        guard token.count > 1 else { return nil }
        /// Where the parts start, and the rank of what each makes with the next.
        var starts = Array(0...token.count)
        func made(_ part: Int) -> Int {
            part + 2 < starts.count ? ranks[Array(token[starts[part]..<starts[part + 2]])] ?? .max : .max
        }
        var results = starts.indices.map(made)
        while starts.count > 3 {
            var lowest = 0
            for part in results.indices where results[part] < results[lowest] { lowest = part }
            guard results[lowest] < .max else {
                throw .badInput("the token of rank \(rank) is not made of other tokens")
            }
            starts.remove(at: lowest + 1)
            results.remove(at: lowest + 1)
            results[lowest] = made(lowest)
            if lowest > 0 { results[lowest - 1] = made(lowest - 1) }
        }
        return (token[..<starts[1]], token[starts[1]...])
    }
}

extension TokenizerParts {
    /// The tokens that follow the vocabulary of the first generation, in the order of their ids.
    ///
    /// Those that mark a name, a box or a quadrangle are no special tokens here: they belong to the text of questions and
    /// answers about places, so they are found in what a person wrote and shown in what the model says.
    private static let firstGenerationAdded: [(content: String, isSpecial: Bool)] =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map { ($0, true) }
        + (0..<205).map { ("<|extra_\($0)|>", true) }
        + ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>"].map { ($0, false) }
        + ["<img>", "</img>", "<imgpad>"].map { ($0, true) }

    /// Reads `qwen.tiktoken`.
    /// - Throws: `badInput` naming the line that is not as it must be.
    init(tiktoken file: [UInt8]) throws(Failure) {
        let ranked = try RankedVocabulary(lines: file)
        for (rank, token) in ranked.tokens.enumerated() {
            vocabulary.append((ByteLevelAlphabet.entry(of: token), rank))
            guard let (left, right) = try ranked.parts(of: rank) else { continue }
            merges.append(
                (Substring(ByteLevelAlphabet.entry(of: left)), Substring(ByteLevelAlphabet.entry(of: right))))
        }
        for (index, token) in Self.firstGenerationAdded.enumerated() {
            added.append(
                Added(
                    id: ranked.tokens.count + index, content: token.content, isSpecial: token.isSpecial,
                    isNormalized: false))
        }
    }
}
