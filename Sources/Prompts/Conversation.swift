import Jinja
public import Storage

/// What is said between people and a model.
public struct Conversation: Sendable {
    /// The turns, in order.
    public var messages: [Message]
    /// Functions that the model may call, in the words of the OpenAI interface; nil for none.
    public var tools: JSON?
    /// What templates let one choose by further names, such as `enable_thinking`, `reasoning_effort` and `preserve_thinking`.
    public var variables: [String: JSON]
    /// Whether "Picture 1: " and so on is written before pictures, for templates that let one choose.
    public var numbersMedia: Bool
    /// Whether the model is asked for an answer at the end.
    public var asksForAnswer: Bool

    /// A conversation from its parts.
    public init(
        _ messages: [Message], tools: JSON? = nil, variables: [String: JSON] = [:],
        numbersMedia: Bool = false, asksForAnswer: Bool = true
    ) {
        self.messages = messages
        self.tools = tools
        self.variables = variables
        self.numbersMedia = numbersMedia
        self.asksForAnswer = asksForAnswer
    }
}

/// One turn of a conversation.
public struct Message: Equatable, Sendable {
    /// A part of a turn's content.
    public enum Part: Equatable, Sendable {
        /// Somebody's words, which never become special tokens.
        case text(String)
        /// The model's own words, and the tokens that it said them with.
        case said(String, [Int32])
        /// A picture that takes this many tokens (``ImagePlan/tokens``).
        case image(tokens: Int)
        /// A video that takes this many tokens, and the time of each of its frames (temporal patches) in seconds.
        case video(tokens: Int, timestamps: [Double] = [])
    }

    /// `system`, `user`, `assistant` or `tool`.
    public var role: String
    /// The content, in order.
    public var parts: [Part]
    /// What else templates may look at, such as `tool_calls`.
    public var more: [JSON.Member]

    /// A turn of several parts.
    public init(role: String, parts: [Part], more: [JSON.Member] = []) {
        self.role = role
        self.parts = parts
        self.more = more
    }

    /// A turn of text only.
    public init(role: String, text: String) { self.init(role: role, parts: [.text(text)]) }
}

/// Texts that a template is given from outside, by the numbers that mark them in what it writes.
struct OutsideTexts {
    /// Whose words they are.
    enum Kind {
        /// Somebody's, which never become special tokens.
        case text
        /// The model's own, and its tokens.
        case said(String, [Int32])
    }

    /// The number of what is no text, but keeps words from reaching across it.
    static let boundary = 0
    private var texts: [(kind: Kind, message: Int?)] = []

    /// Gives a text its number.
    /// - Parameter message: the number of the message whose content it is.
    mutating func add(_ kind: Kind, in message: Int? = nil) -> Int {
        texts.append((kind, message))
        return texts.count
    }

    /// The text of a number.
    subscript(number: Int) -> (kind: Kind, message: Int?) {
        texts.indices.contains(number - 1) ? texts[number - 1] : (.text, nil)
    }
}

extension Message {
    /// The message as `template` sees it: content that is text only is a string, other content a list of parts.
    /// - Parameter number: of the message in its conversation.
    func value(_ number: Int, for template: ChatTemplate, _ texts: inout OutsideTexts) -> Value {
        var content: [Value] = []
        var reasoning: MarkedText?
        var words: [MarkedText.Span] = []
        for part in parts {
            switch part {
            case .text(let text): words.append(.init(text, origin: texts.add(.text, in: number)))
            case .said(let text, let tokens):
                let origin = texts.add(.said(text, tokens), in: number)
                let said = template.readsReasoning ? Reasoning(in: text) : nil
                reasoning = said.map { MarkedText($0.thoughts, origin: origin) } ?? reasoning
                words.append(.init(said?.answer ?? text, origin: origin))
            case .image, .video:
                let kind = part.medium?.rawValue ?? ""
                content.append(.dict(["type": .string(MarkedText(kind)), kind: .string(MarkedText(""))]))
                continue
            }
            let text = MarkedText(spans: words.suffix(1))
            content.append(.dict(["type": .string(MarkedText("text")), "text": .string(text)]))
        }
        let isText = words.count == parts.count && template.content == .text
        var message: Dict = [
            "role": .string(MarkedText(role, origin: texts.add(.text))),
            "content": isText ? .string(MarkedText(spans: words)) : .list(List(content)),
        ]
        if let reasoning { message.set("reasoning_content", to: .string(reasoning)) }
        for member in more {
            message.set(member.key, to: Value(json: member.value, origin: texts.add(.text, in: number)))
        }
        return .dict(message)
    }
}

/// An answer that begins with reasoning, taken apart as Qwen3's templates do it themselves; those of Qwen3.8 leave it to others.
struct Reasoning: Equatable {
    let thoughts: String
    let answer: String

    /// - Returns: nil for text in which no reasoning ends.
    init?(in said: String) {
        let end = "</think>"
        guard let first = said.firstRange(of: end), let last = said.ranges(of: end).last else { return nil }
        let before = said[..<first.lowerBound]
        let start = before.ranges(of: "<think>").last?.upperBound ?? before.startIndex
        let opened = before[start...].unicodeScalars.drop { $0 == "\n" }
        let closed = opened.lastIndex { $0 != "\n" }.map { opened[...$0] } ?? opened.prefix(0)
        thoughts = String(closed)
        answer = String(said[last.upperBound...].unicodeScalars.drop { $0 == "\n" })
    }
}
