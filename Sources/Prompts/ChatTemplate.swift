import Jinja
public import Storage

/// How a conversation is written out for a model: a program in the Jinja language, as checkpoints bring it.
public struct ChatTemplate: Sendable {
    /// Where a template comes from.
    public enum Origin: Equatable, Sendable {
        /// The checkpoint's file of this name.
        case checkpoint(file: String)
        /// Tessera's own of this name; the checkpoint has none.
        case ownForNone(name: String)
        /// The user named it, by a name or a file, for a checkpoint that has another.
        case given(name: String)
    }

    /// Where it comes from.
    public let origin: Origin
    /// The program.
    public let jinja: String
    /// How templates are handed content that is text alone.
    public enum Content: String, Sendable {
        /// As a string, which nearly all of them take.
        case text
        /// As a list of one part, like content with pictures: some look at nothing else.
        case parts
    }

    /// How it is handed content that is text alone.
    public var content = Content.text
    /// What programs may use by name: `bos_token`, `eos_token` and so on, as tokenizer_config.json has them.
    public let tokens: [String: String]
    /// Whether it looks for what a model reasoned apart from what it answered.
    let readsReasoning: Bool
    private let program: Template

    /// A template from its parts.
    /// - Throws: `badInput` when the program cannot be read, with the line.
    public init(_ jinja: String, _ origin: Origin, tokens: [String: String] = [:]) throws(Failure) {
        self.origin = origin
        self.jinja = jinja
        self.tokens = tokens
        readsReasoning = ChatTemplate.names(in: jinja).contains("reasoning_content")
        program = try Template(jinja)
    }

    /// Whether the program has a name of its own for this variable.
    public func speaks(of variable: String) -> Bool {
        ChatTemplate.names(in: jinja).contains(Substring(variable))
    }

    /// Every word of it that could be a name.
    private static func names(in jinja: String) -> Set<Substring> {
        Set(jinja.split { !$0.isLetter && !$0.isNumber && $0 != "_" })
    }

    /// What to tell the user wherever the model is used; nil when it speaks its checkpoint's template, or has none.
    public var warning: String? {
        guard case .given(let name) = origin else { return nil }
        return "the model speaks another chat template than its checkpoint's: \(name)"
    }

    /// Writes a conversation out; what was given from outside is marked with its number in `texts`.
    /// - Throws: `badInput` with the program's own words where it refuses the conversation, and when it goes beyond its limits;
    ///   `usage` for variables of names that are taken.
    func render(_ conversation: Conversation, _ texts: inout OutsideTexts) throws(Failure) -> MarkedText {
        var globals: [String: Value] = [
            "messages": .list(
                List(conversation.messages.enumerated().map { $1.value($0, for: self, &texts) })),
            "add_generation_prompt": .bool(conversation.asksForAnswer),
            "tools": conversation.tools.map { Value(json: $0, origin: texts.add(.text)) } ?? .none,
            "documents": .none,
            "apart": .string(MarkedText("\u{0}", origin: OutsideTexts.boundary)),
        ]
        for (name, token) in tokens { globals[name] = .string(MarkedText(token)) }
        for (name, value) in conversation.variables.sorted(by: { $0.key < $1.key }) {
            guard globals[name] == nil else {
                throw Failure(.usage, "'\(name)' is what the conversation itself gives chat templates")
            }
            globals[name] = Value(json: value, origin: texts.add(.text))
        }
        if conversation.numbersMedia { globals["add_vision_id"] = .bool(true) }
        return try program.render(globals)
    }
}

extension ChatTemplate: Equatable {
    /// Whether two are the same program from the same place.
    public static func == (a: ChatTemplate, b: ChatTemplate) -> Bool {
        a.origin == b.origin && a.jinja == b.jinja && a.content == b.content && a.tokens == b.tokens
    }
}

extension ChatTemplate {
    /// The template as it is stored in a bundle.
    public var json: JSON {
        let (source, name) =
            switch origin {
            case .checkpoint(let file): ("checkpoint", file)
            case .ownForNone(let name): ("own", name)
            case .given(let name): ("given", name)
            }
        let tokens = tokens.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
        return .pairs([
            "source": .string(source), "name": .string(name), "content": .string(content.rawValue),
            "jinja": .string(jinja),
            "tokens": .object(tokens),
        ])
    }

    /// Reads a template back.
    /// - Throws: `badInput` when a member is missing or unknown, or the program cannot be read.
    public init(json: JSON) throws(Failure) {
        guard let jinja = json["jinja"]?.string, let source = json["source"]?.string,
            let name = json["name"]?.string
        else {
            throw .badInput(
                "holds no chat template in Jinja", at: "prompt.chat_template",
                remedy: "a bundle of an earlier version is to be converted again")
        }
        try json.requireOnly(
            ["source", "name", "content", "jinja", "tokens"], at: "prompt.chat_template")
        let origin: Origin
        switch source {
        case "checkpoint": origin = .checkpoint(file: name)
        case "own": origin = .ownForNone(name: name)
        case "given": origin = .given(name: name)
        default: throw .badInput("has a template from '\(source)'", at: "prompt.chat_template")
        }
        var tokens: [String: String] = [:]
        guard let named = (json["tokens"] ?? .object([])).members else {
            throw .badInput("is no object", at: "prompt.chat_template.tokens")
        }
        for member in named {
            guard let text = member.value.string else {
                throw .badInput("is no text", at: "prompt.chat_template.tokens.\(member.key)")
            }
            tokens[member.key] = text
        }
        try self.init(jinja, origin, tokens: tokens)
        guard let form = (json["content"] ?? "text").string.flatMap(Content.init) else {
            throw .badInput("has content of an unknown form", at: "prompt.chat_template")
        }
        content = form
    }
}
