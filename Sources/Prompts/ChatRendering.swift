import Glibc
import Jinja
public import Storage

/// How a video is written whose frames (temporal patches) stand each by itself, after its time.
public struct FrameMarkup: Equatable, Sendable {
    /// Comes before the time, which is in seconds with one decimal.
    public var timePrefix: String
    /// Between the time and the placeholders.
    public var prefix: String
    /// Comes after the placeholders.
    public var suffix: String
    /// What a template writes before the placeholder of a whole video, which the frames replace.
    public var start: String
    /// What it writes after it.
    public var end: String

    /// Qwen3-VL's. Its frames stand alone, as when the models were published; later processors leave what the template
    /// writes around a video in its place, around all of them.
    public static let qwen3VL = FrameMarkup(
        timePrefix: "<", prefix: " seconds><|vision_start|>", suffix: "<|vision_end|>",
        start: "<|vision_start|>",
        end: "<|vision_end|>")
}

/// A conversation as its template writes it.
public struct WrittenConversation: Equatable, Sendable {
    /// For ``Tokenizer/encode(_:)``.
    public private(set) var pieces: [PromptPiece] = []
    /// Of each piece the number of the message whose content it is; nil for what the template adds.
    public private(set) var messages: [Int?] = []

    fileprivate mutating func append(_ pieces: [PromptPiece], of message: Int? = nil) {
        self.pieces += pieces
        messages += Array(repeating: message, count: pieces.count)
    }
}

extension PromptSettings {
    /// Writes a conversation out as pieces for ``Tokenizer/encode(_:)``.
    ///
    /// The text of messages never becomes special tokens, so that what a user typed cannot end a turn or add a
    /// placeholder; the reference would let it. Where the template puts the placeholder of a picture or video in words of
    /// its own, the next one's placeholders stand.
    /// - Throws: `badInput` when the template refuses the conversation, or writes out another number of pictures or videos.
    public func write(
        _ conversation: Conversation, _ tokenizer: Tokenizer
    ) throws(Failure) -> WrittenConversation {
        var texts = OutsideTexts()
        let written = try template.render(conversation, &texts)
        var media = MediaWriter(self, conversation, tokenizer)
        var result = WrittenConversation()
        for span in written.spans {
            guard let origin = span.origin else {
                result.append(try media.pieces(of: span.text))
                continue
            }
            guard origin != OutsideTexts.boundary else {
                result.append([.boundary])
                continue
            }
            switch texts[origin] {
            case (.text, let message): result.append([.text(span.text)], of: message)
            case (.said(let text, let tokens), let message):
                // The template may have left out a part, such as reasoning: then the rest is read anew.
                result.append([span.text == text ? .tokens(tokens) : .markup(span.text)], of: message)
            }
        }
        try media.finish()
        return result
    }
}

/// Puts pictures and videos, in their order, where a template writes their placeholders.
private struct MediaWriter {
    private struct Medium {
        let kind: PromptPiece.Medium
        let pad: Int32
        let placeholder: String
        var waiting: ArraySlice<Message.Part>
    }

    private let frames: FrameMarkup?
    private var media: [Medium] = []

    init(_ settings: PromptSettings, _ conversation: Conversation, _ tokenizer: Tokenizer) {
        frames = settings.videoFrame
        let parts = conversation.messages.flatMap(\.parts)
        let kinds: [(PromptPiece.Medium, Int32?)] = [
            (.image, settings.imageToken), (.video, settings.videoToken),
        ]
        for (kind, token) in kinds {
            guard let token else { continue }
            media.append(
                Medium(
                    kind: kind, pad: token, placeholder: tokenizer.decode([token], skipSpecials: false),
                    waiting: parts.filter { $0.medium == kind }[...]))
        }
    }

    /// The pieces of text that a template wrote itself.
    mutating func pieces(of text: String) throws(Failure) -> [PromptPiece] {
        var pieces: [PromptPiece] = []
        var rest = text[...]
        while let (index, place) = firstPlaceholder(in: rest) {
            let medium = media[index]
            guard let part = media[index].waiting.popFirst() else {
                throw .badInput(
                    "the chat template writes more \(medium.kind.rawValue)s than the conversation has")
            }
            var before = rest[..<place.lowerBound]
            rest = rest[place.upperBound...]
            guard case .video(let tokens, let times) = part, let frames else {
                pieces += [.markup(String(before)), .media(medium.kind, pad: medium.pad, count: part.tokens)]
                continue
            }
            if before.hasSuffix(frames.start), rest.hasPrefix(frames.end) {
                before = before.dropLast(frames.start.count)
                rest = rest.dropFirst(frames.end.count)
            }
            pieces.append(.markup(String(before)))
            pieces += try frames.pieces(tokens, times, pad: medium.pad)
        }
        return rest.isEmpty ? pieces : pieces + [.markup(String(rest))]
    }

    private func firstPlaceholder(in text: Substring) -> (medium: Int, place: Range<Substring.Index>)? {
        media.indices.compactMap { index in
            media[index].placeholder.isEmpty
                ? nil : text.firstRange(of: media[index].placeholder).map { (index, $0) }
        }.min { $0.1.lowerBound < $1.1.lowerBound }
    }

    /// - Throws: `badInput` when something has found no place.
    func finish() throws(Failure) {
        guard let left = media.first(where: { !$0.waiting.isEmpty }) else { return }
        throw .badInput(
            "the chat template leaves out \(left.waiting.count) of the conversation's \(left.kind.rawValue)s",
            remedy: "convert the model with a template that takes them: --chat-template")
    }
}

extension FrameMarkup {
    /// A video whose frames stand each after its time.
    fileprivate func pieces(_ count: Int, _ timestamps: [Double], pad: Int32) throws(Failure) -> [PromptPiece]
    {
        guard timestamps.allSatisfy({ $0 >= 0 && $0 <= 1e9 }) else {
            throw .badInput("the times of a video's frames are no times")
        }
        guard !timestamps.isEmpty, count % timestamps.count == 0 else {
            throw .badInput(
                "a video of \(count) tokens needs the times of its frames, not \(timestamps.count)")
        }
        return timestamps.flatMap { time in
            [
                .markup(timePrefix + tenths(time) + prefix),
                .media(.video, pad: pad, count: count / timestamps.count), .markup(suffix),
            ]
        }
    }

    /// Seconds with one decimal, rounded from their exact binary value as C and Python print them.
    private func tenths(_ seconds: Double) -> String {
        var text = [CChar](repeating: 0, count: 400)
        _ = withVaList([seconds]) { vsnprintf(&text, text.count, "%.1f", $0) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The markup as it is stored in a bundle.
    var json: JSON {
        .pairs([
            "time_prefix": .string(timePrefix), "prefix": .string(prefix), "suffix": .string(suffix),
            "start": .string(start), "end": .string(end),
        ])
    }

    /// Reads markup back.
    /// - Throws: `badInput` when a member is missing or unknown.
    init(json: JSON) throws(Failure) {
        try json.requireOnly(["time_prefix", "prefix", "suffix", "start", "end"])
        guard let timePrefix = json["time_prefix"]?.string, let prefix = json["prefix"]?.string,
            let suffix = json["suffix"]?.string, let start = json["start"]?.string,
            let end = json["end"]?.string
        else { throw .badInput("has no markup of a video's frames") }
        self.init(timePrefix: timePrefix, prefix: prefix, suffix: suffix, start: start, end: end)
    }
}

extension Message.Part {
    /// What kind of medium this is, if it is one.
    var medium: PromptPiece.Medium? {
        switch self {
        case .text, .said: nil
        case .image: .image
        case .video: .video
        }
    }

    /// The tokens of a picture or video.
    fileprivate var tokens: Int {
        switch self {
        case .text, .said: 0
        case .image(let tokens), .video(let tokens, _): tokens
        }
    }
}
