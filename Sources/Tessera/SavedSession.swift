import Prompts
import Runtime
import Storage

/// What a saved session says beside its cache, as JSON.
struct SavedSession {
    var state: Session.State
    var tools: JSON?
    var variables: [String: JSON]
    /// How keys and values are kept.
    var precision: KeyValueCache.Precision
    /// Tokens that the cache holds.
    var cached: Int
    /// Tokens by which rotary positions stretch.
    var promptLength: Int32

    /// The JSON of the file.
    var json: JSON {
        .pairs([
            "cache_type": .string(precision.rawValue), "cached": .int(cached),
            "prompt_length": .int(Int(promptLength)), "turn": .int(state.turn),
            "said": .array(state.said.map { .int(Int($0)) }),
            "visuals": .array(state.visuals.map(\.json)),
            "messages": state.messages.map { .array($0.map(\.savedJSON)) } ?? .null,
            "tools": tools ?? .null,
            "variables": .object(variables.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }),
            "sampler": state.sampler?.json ?? .null,
        ])
    }

    /// Reads what `json` writes, for a model whose prompts are made so and whose tokens are below `vocabulary`.
    /// - Throws: `badInput` with the place of what is missing, impossible or does not fit the rest.
    init(json: JSON, _ settings: PromptSettings, vocabulary: Int) throws(Failure) {
        guard let type = json["cache_type"]?.string, let precision = KeyValueCache.Precision(rawValue: type)
        else { throw SavedSession.wrong("cache_type") }
        self.precision = precision
        cached = try SavedSession.count(json, "cached")
        promptLength = Int32(clamping: try SavedSession.count(json, "prompt_length"))
        state = Session.State()
        state.turn = try SavedSession.count(json, "turn")
        state.said = try SavedSession.tokens(json["said"], "said", vocabulary)
        // The last token that was said may not be evaluated yet.
        guard (cached...cached + 1).contains(state.said.count) else { throw SavedSession.wrong("said") }
        guard let visuals = json["visuals"]?.array else { throw SavedSession.wrong("visuals") }
        for visual in visuals {
            guard let visual = PreparedPrompt.Visual(json: visual) else {
                throw SavedSession.wrong("visuals")
            }
            state.visuals.append(visual)
        }
        // Finds every picture its place among the tokens.
        do {
            _ = try PreparedPrompt(tokens: state.said, visuals: state.visuals, settings: settings)
        } catch { throw .badInput(error.message, at: "conversation.visuals") }
        state.messages = try SavedSession.messages(json["messages"], state.visuals, settings, vocabulary)
        tools = json["tools"]
        guard tools == nil || tools?.array?.isEmpty == false else { throw SavedSession.wrong("tools") }
        guard let variables = json["variables"]?.members else { throw SavedSession.wrong("variables") }
        self.variables = Dictionary(variables.map { ($0.key, $0.value) }) { _, last in last }
        if let sampler = json["sampler"] {
            guard let sampler = Sampler(json: sampler) else { throw SavedSession.wrong("sampler") }
            state.sampler = sampler
        }
    }

    /// What there is of a session.
    init(_ state: Session.State, tools: JSON?, variables: [String: JSON], _ context: TextContext) {
        (self.state, self.tools, self.variables) = (state, tools, variables)
        precision = context.cache.precision
        (cached, promptLength) = (context.cache.count, context.progress.promptLength)
    }

    private static func wrong(_ key: String) -> Failure {
        .badInput("is missing or impossible", at: "conversation.\(key)")
    }

    private static func count(_ json: JSON, _ key: String) throws(Failure) -> Int {
        guard let count = json[key]?.int, (0..<Int(Int32.max)).contains(count) else { throw wrong(key) }
        return count
    }

    private static func tokens(
        _ json: JSON?, _ key: String, _ vocabulary: Int
    ) throws(Failure) -> [Int32] {
        guard let tokens = json?.ints, tokens.allSatisfy({ (0..<vocabulary).contains($0) }) else {
            throw wrong(key)
        }
        return tokens.map { Int32($0) }
    }

    /// Messages, each of whose pictures and videos is the next of its kind; all must be shown.
    private static func messages(
        _ json: JSON?, _ visuals: [PreparedPrompt.Visual], _ settings: PromptSettings, _ vocabulary: Int
    ) throws(Failure) -> [Message]? {
        guard let json else { return nil }
        guard let list = json.array else { throw wrong("messages") }
        var images = visuals.filter { $0.medium == .image }[...]
        var videos = visuals.filter { $0.medium == .video }[...]
        var messages: [Message] = []
        for message in list {
            guard let role = message["role"]?.string, let parts = message["parts"]?.array else {
                throw wrong("messages")
            }
            var read: [Message.Part] = []
            for part in parts {
                let text = part["text"]?.string
                switch (part["type"]?.string, text) {
                case ("text", let text?): read.append(.text(text))
                case ("said", let text?):
                    read.append(.said(text, try tokens(part["tokens"], "messages", vocabulary)))
                case ("image", nil):
                    guard let visual = images.popFirst() else { throw wrong("messages") }
                    read.append(try visual.part(settings))
                case ("video", nil):
                    guard let visual = videos.popFirst() else { throw wrong("messages") }
                    read.append(try visual.part(settings))
                default: throw wrong("messages")
                }
            }
            messages.append(Message(role: role, parts: read))
        }
        guard images.isEmpty, videos.isEmpty else { throw wrong("messages") }
        return messages
    }
}

extension Message {
    fileprivate var savedJSON: JSON {
        let parts = parts.map { part -> JSON in
            switch part {
            case .text(let text): .pairs(["type": "text", "text": .string(text)])
            case .said(let text, let tokens):
                .pairs([
                    "type": "said", "text": .string(text),
                    "tokens": .array(tokens.map { .int(Int($0)) }),
                ])
            case .image: .pairs(["type": "image"])
            case .video: .pairs(["type": "video"])
            }
        }
        return .pairs(["role": .string(role), "parts": .array(parts)])
    }
}

extension Sampler {
    /// Numbers of 64 bits are text: JSON's readers round them.
    fileprivate var json: JSON {
        .pairs([
            "temperature": .double(Double(settings.temperature)), "top_k": .int(settings.topK),
            "top_p": .double(Double(settings.topP)), "min_p": .double(Double(settings.minP)),
            "repetition_penalty": .double(Double(settings.repetitionPenalty)),
            "given_seed": settings.seed.map { .string("\($0)") } ?? .null, "seed": .string("\(seed)"),
            "draws": .string("\(draws)"),
        ])
    }

    fileprivate init?(json: JSON) {
        func float(_ key: String) -> Float? {
            json[key]?.double.map { Float($0) }.flatMap { $0.isFinite ? $0 : nil }
        }
        func whole(_ key: String) -> UInt64? { json[key]?.string.flatMap { UInt64($0) } }
        guard let temperature = float("temperature"), let topP = float("top_p"), let minP = float("min_p"),
            let penalty = float("repetition_penalty"), let topK = json["top_k"]?.int,
            let seed = whole("seed"), let draws = whole("draws"),
            json["given_seed"] == nil || whole("given_seed") != nil
        else { return nil }
        let settings = Settings(
            temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: penalty,
            seed: whole("given_seed"))
        self.init(settings, seed: seed, draws: draws)
    }
}
