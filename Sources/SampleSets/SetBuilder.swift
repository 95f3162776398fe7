import Prompts
import Runtime
public import Storage
public import Tessera

/// Makes a calibration set of conversations and texts.
public struct SetBuilder {
    /// What is taken of the sources.
    public struct Options: Sendable {
        /// Tokens of a window of plain text.
        public var window: Int
        /// Tokens of the whole set, at most; conversations come first.
        public var tokens: Int
        /// Tokens of an answer of the model's own, where a conversation ends with a question; 0 for none.
        public var answerTokens: Int

        /// The given limits.
        public init(window: Int = 512, tokens: Int = 65536, answerTokens: Int = 0) {
            self.window = window
            self.tokens = tokens
            self.answerTokens = answerTokens
        }
    }

    /// The samples.
    public private(set) var prepared: PreparedSet
    /// The patches of their visuals.
    public let patches: SpooledPatches
    /// Conversations of sets that ship with the program which are longer than the model takes.
    public private(set) var leftOut = 0
    private let model: Model
    private let options: Options

    /// Makes the set of `sources` for a model.
    ///
    /// All conversations are taken, as long as there is room, then windows of the texts: of every text as many in turn, evenly
    /// spread over it.
    /// - Throws: `badInput` naming file and line for a conversation that is malformed or whose picture cannot be read.
    public init(
        _ sources: [SampleSource], _ model: Model, _ options: Options,
        report: (Int) throws(Failure) -> Void = { _ throws(Failure) in }
    ) throws(Failure) {
        self.model = model
        self.options = options
        prepared = PreparedSet(model.prompt)
        patches = try SpooledPatches()
        var texts: [String] = []
        for source in sources {
            switch source {
            case .text(let file): texts.append(file)
            case .conversation(let json, let file, let line):
                do { try add(json, .folder(Path.directory(file))) } catch {
                    throw Self.locate(error, file, line)
                }
                try report(prepared.tokenCount)
            case .shipped(let json, let set, let file, let line):
                do { try add(json, .shipped(set)) } catch {
                    // Nobody can shorten what ships, and the others are as good.
                    guard error.kind == .limit else { throw Self.locate(error, file, line) }
                    leftOut += 1
                }
                try report(prepared.tokenCount)
            }
        }
        try add(texts)
    }

    private static func locate(_ error: Failure, _ file: String, _ line: Int) -> Failure {
        Failure(
            error.kind, error.file.map { "\($0): \(error.message)" } ?? error.message, file: file,
            at: "line \(line)", remedy: error.remedy)
    }

    private mutating func add(_ json: JSON, _ files: MediaFiles) throws(Failure) {
        guard prepared.tokenCount < options.tokens else { return }
        let sample = try ConversationSample(json, files: files, model, answerTokens: options.answerTokens)
        try prepared.add(sample, patches: patches)
    }

    private mutating func add(_ texts: [String]) throws(Failure) {
        let tokenizer = try model.requireTokenizer()
        var windows: [[[Int32]]] = []
        let room = max(0, options.tokens - prepared.tokenCount) / options.window
        for path in texts {
            guard let text = String(validating: try readFile(path), as: UTF8.self) else {
                throw .badInput("is not UTF-8 text", file: path)
            }
            let all = tokenizer.encode(text, specials: .asText)
            let count = all.count / options.window
            let wanted = min(count, (room + texts.count - 1) / max(1, texts.count))
            windows.append(
                (0..<wanted).map { number in
                    let start = number * count / wanted * options.window
                    return Array(all[start..<start + options.window])
                })
        }
        var taken = 0
        for turn in 0..<(windows.map(\.count).max() ?? 0) {
            for list in windows where list.indices.contains(turn) && taken < room {
                try prepared.add(list[turn], [])
                taken += 1
            }
        }
    }
}
