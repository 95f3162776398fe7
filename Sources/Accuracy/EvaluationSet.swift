public import Prompts
import Runtime
public import SampleSets
public import Storage
public import Tessera

/// What two models are compared over: conversations with pictures and videos, and windows of texts, made ready by the base.
public struct EvaluationSet {
    /// A sample, for people.
    public struct Item: Sendable {
        /// Which positions are compared.
        public enum Scored: Equatable, Sendable {
            /// Those that foretell a token of text.
            case all
            /// Those from this one on.
            case from(Int)
        }

        /// `line 3 of set.jsonl`, `window 7 of book.txt`.
        public let name: String
        /// What is asked last; nil where nothing is.
        public let question: String?
        /// Which positions are compared.
        public let scored: Scored
        /// The number of the first token of the base's own answer; nil where it gave none.
        public let ownAnswer: Int?
        /// What is right to answer; nil where nothing is known.
        public let known: AnswerQuestion?
        /// Its pictures and videos, in the order of the prompt.
        public let media: [Medium]
    }

    /// A picture or video of a sample.
    public struct Medium: Sendable {
        /// Its file; of a set that ships, its name behind the set's word.
        public let path: String
        /// Of a picture: its size, upright.
        public let size: ImageSize?
    }

    /// By sample.
    public private(set) var items: [Item] = []
    /// The samples.
    public private(set) var prepared: PreparedSet
    /// The patches of their visuals.
    public let patches: SpooledPatches
    private let model: Model
    private let answerTokens: Int

    /// An empty set.
    /// - Parameters:
    ///   - model: the base, whose tokenizer, template and settings of pictures make the samples.
    ///   - answerTokens: how long the base's own answers are, at most, where a conversation ends with a question.
    public init(_ model: Model, answerTokens: Int) throws(Failure) {
        self.model = model
        self.answerTokens = answerTokens
        prepared = PreparedSet(model.prompt)
        patches = try SpooledPatches()
    }

    /// Tokens of all samples.
    public var tokenCount: Int { prepared.tokenCount }

    /// Of all tokens, patches and what is compared of them.
    public func digest() throws(Failure) -> Digest {
        var digests: [UInt8] = []
        for (item, sample) in zip(items, prepared.samples) {
            let text = "\(item.name) \(item.scored) \(item.ownAnswer ?? -1) \(sample.tokens)"
            digests += try SHA256.digest(Array(text.utf8)).bytes
        }
        for number in prepared.visuals.indices {
            digests += try patches.withPatches(number) { (bytes) throws(Failure) in
                try SHA256.digest(bytes).bytes
            }
        }
        return try SHA256.digest(digests)
    }

    /// Adds a question with its pictures and videos.
    public mutating func add(
        question: String, system: String? = nil, pictures: [String], videos: [String]
    ) throws(Failure) {
        func part(_ type: String, _ value: String) -> JSON {
            .pairs(["type": .string(type), type: .string(value)])
        }
        let content =
            pictures.map { part("image", $0) } + videos.map { part("video", $0) } + [part("text", question)]
        var messages = [JSON.pairs(["role": "user", "content": .array(content)])]
        if let system {
            messages.insert(.pairs(["role": "system", "content": .string(system)]), at: 0)
        }
        try add(.pairs(["messages": .array(messages)]), .folder("."), name: "the prompt")
    }

    /// Adds the windows of a text, from its beginning.
    /// - Parameters:
    ///   - windows: at most so many; 0 for all.
    ///   - first: the first position of a window that is compared; nil for its second half, as llama.cpp's perplexity tool does.
    /// - Throws: `badInput` when the text has no whole window.
    public mutating func add(
        text path: String, window: Int, windows: Int, from first: Int? = nil
    ) throws(Failure) {
        let first = first ?? window / 2
        guard window >= 4, first < window - 1 else {
            throw Failure(
                .usage, "a window of \(window) tokens is too short to be compared from token \(first) on")
        }
        guard let text = String(validating: try readFile(path), as: UTF8.self) else {
            throw .badInput("is not UTF-8 text", file: path)
        }
        let all = try model.requireTokenizer().encode(text, specials: .asText)
        guard all.count >= window else {
            throw .badInput("the text has \(all.count) tokens, fewer than a window of \(window)", file: path)
        }
        let count = windows > 0 ? min(windows, all.count / window) : all.count / window
        for number in 0..<count {
            try prepared.add(Array(all[number * window..<(number + 1) * window]), [])
            items.append(
                Item(
                    name: "window \(number) of \(Path.name(path))", question: nil, scored: .from(first),
                    ownAnswer: nil, known: nil, media: []))
        }
    }

    /// Adds conversations and texts as `tessera-calibrate` finds them; of a text all windows.
    /// - Parameter report: told how many sources are read, of how many.
    public mutating func add(
        _ sources: [SampleSource], window: Int, from first: Int? = nil,
        report: (Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        for (index, source) in sources.enumerated() {
            try report(index, sources.count)
            switch source {
            case .text(let file): try add(text: file, window: window, windows: 0, from: first)
            case .conversation(let json, let file, let line):
                try locating(file, line) { (set) throws(Failure) in
                    try set.add(
                        json, .folder(Path.directory(file)), name: "line \(line) of \(Path.name(file))")
                }
            case .shipped(let json, let shipped, let file, let line):
                do throws(Failure) {
                    try locating(file, line) { (set) throws(Failure) in
                        try set.add(json, .shipped(shipped), name: "line \(line) of \(file)")
                    }
                } catch {
                    // Nobody can shorten what ships.
                    guard error.kind == .limit else { throw error }
                }
            }
        }
    }

    private mutating func locating(
        _ file: String, _ line: Int, _ body: (inout EvaluationSet) throws(Failure) -> Void
    ) throws(Failure) {
        do throws(Failure) { try body(&self) } catch {
            throw Failure(
                error.kind, error.file.map { "\($0): \(error.message)" } ?? error.message, file: file,
                at: "line \(line)", remedy: error.remedy)
        }
    }

    private mutating func add(_ json: JSON, _ files: MediaFiles, name: String) throws(Failure) {
        let sample = try ConversationSample(
            json, files: files, model, answerTokens: answerTokens, answer: answer)
        let messages = json["messages"]?.array ?? []
        let asks = messages.last?["role"]?.string != "assistant"
        let parts = messages.flatMap { $0["content"]?.array ?? [] }
        try prepared.add(sample, patches: patches)
        var media: [Medium] = []
        for part in parts {
            guard let name = (part["image"] ?? part["video"])?.string else { continue }
            let size = part["image"] == nil ? nil : try files.size(name, model)
            media.append(Medium(path: files.path(name), size: size))
        }
        let question = asks ? Self.text(messages.last?["content"]) : nil
        items.append(
            Item(
                name: name, question: question, scored: .all, ownAnswer: sample.ownAnswer,
                known: try question.flatMap { (question) throws(Failure) in
                    try AnswerQuestion(
                        conversation: json, image: media.last.map { Path.name($0.path) }, question: question)
                }, media: media))
    }

    /// The base's answer; it ends where logits are no distribution, which the comparison finds by itself.
    private func answer(_ prompt: PreparedPrompt, _ most: Int) throws(Failure) -> [Int32] {
        let context = try TextContext(model.engine, capacity: prompt.tokens.count + most)
        let hidden = try context.evaluate(prompt: prompt.input(try model.encodeVisuals(of: prompt)))
        return try context.continueGreedily(
            from: hidden, next: prompt.positions.next, count: most, stops: model.prompt.stopTokens)
    }

    /// The words of a message.
    private static func text(_ content: JSON?) -> String? {
        content?.string ?? content?.array?.compactMap { $0["text"]?.string }.joined(separator: " ")
    }
}

extension MediaFiles {
    /// Where a file is, for people.
    fileprivate func path(_ name: String) -> String {
        switch self {
        case .folder(let folder): (try? MediaFiles.path(name, folder)) ?? name
        case .shipped(let set): Path.join(set.word, name)
        }
    }
}
