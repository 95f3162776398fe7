import Glibc
public import Storage

extension ChatTemplate {
    /// What a conversation has seen so far, for numbering media and for going on after an answer.
    public struct Progress: Equatable, Sendable {
        /// Whether a turn was rendered already.
        public var hasStarted = false
        /// How many pictures there were.
        public var images = 0
        /// How many videos there were.
        public var videos = 0

        /// The beginning of a conversation.
        public init() {}
    }

    /// Writes turns out as pieces for ``Tokenizer/encode(_:)``.
    ///
    /// A conversation can be rendered whole, or turn by turn for a model that keeps its cache: pass the same `progress`
    /// again with the new messages only, after the model's answer. What comes out then first ends the answer's turn
    /// (the cache is taken to hold the answer up to, not including, the token that ended it).
    ///
    /// The text of messages never becomes special tokens, so that what a user typed cannot end a turn or add a
    /// placeholder; the reference implementation would let it.
    ///
    /// - Parameters:
    ///   - numbersMedia: Puts "Picture 1: " before the first picture and so on (`add_vision_id`), also where the template
    ///     itself does not number.
    ///   - generationPrompt: Asks for an answer at the end.
    /// - Throws: `badInput` when `tokenizer` lacks a placeholder that is needed.
    public func render(
        _ messages: [Message], tokenizer: Tokenizer, progress: inout Progress, numbersMedia: Bool = false,
        generationPrompt: Bool = true
    ) throws(Failure) -> [PromptPiece] {
        let isNumbered = numbersMedia || numbersInMessage
        var pieces: [PromptPiece] = []
        if progress.hasStarted {
            pieces.append(.markup(turnEnd))
        } else if let first = messages.first, first.role != "system", let system = defaultSystemMessage {
            pieces += opening("system") + [.text(system), .markup(turnEnd)]
        }
        let question = messages.lastIndex { $0.role == "user" } ?? 0
        for (index, message) in messages.enumerated() {
            progress.hasStarted = true
            pieces += opening(message.role)
            if numbersInMessage { (progress.images, progress.videos) = (0, 0) }
            if let reasoning, message.role == "assistant" {
                pieces += reasoning.pieces(
                    message.text, isOld: index < question, isLast: index == messages.count - 1)
                pieces.append(.markup(turnEnd))
                continue
            }
            for part in message.parts {
                switch part {
                case .text(let text):
                    pieces.append(.text(text))
                case .image(let tokens):
                    progress.images += 1
                    let label = isNumbered ? "\(image.label) \(progress.images): " : ""
                    pieces += try image.pieces(.image, count: tokens, label: label, tokenizer: tokenizer)
                case .video(let tokens, let timestamps):
                    guard video != .none else { throw .badInput("the model takes no videos") }
                    progress.videos += 1
                    let label = isNumbered ? "\(video.label) \(progress.videos): " : ""
                    pieces += try video.pieces(
                        .video, count: tokens, label: label, frames: videoFrame.map { ($0, timestamps) },
                        tokenizer: tokenizer)
                }
            }
            pieces.append(.markup(turnEnd))
        }
        if generationPrompt { pieces.append(.markup(self.generationPrompt)) }
        return pieces
    }

    /// The beginning of a turn that a model answered, up to where the turn ends, without its reasoning: what a model whose
    /// reasoning does not stay is told of its answer with the next question.
    public func answerTurn(_ answer: String) -> [PromptPiece] {
        opening("assistant") + [.text(reasoning?.split(answer).rest ?? answer)]
    }

    /// What comes before the content of a turn.
    private func opening(_ role: String) -> [PromptPiece] {
        var pieces = [PromptPiece.markup(turnStart)]
        if writesRoles { pieces.append(.text(role)) }
        pieces.append(.markup(roleEnd))
        if separatesContent { pieces.append(.boundary) }
        return pieces
    }

    /// Writes a whole conversation out, asking for an answer.
    public func render(
        _ messages: [Message], tokenizer: Tokenizer, numbersMedia: Bool = false, generationPrompt: Bool = true
    ) throws(Failure) -> [PromptPiece] {
        var progress = Progress()
        return try render(
            messages, tokenizer: tokenizer, progress: &progress, numbersMedia: numbersMedia,
            generationPrompt: generationPrompt)
    }
}

extension ChatTemplate.Markup {
    fileprivate func pieces(
        _ medium: PromptPiece.Medium, count: Int, label: String,
        frames: (markup: ChatTemplate.FrameMarkup, timestamps: [Double])? = nil, tokenizer: Tokenizer
    ) throws(Failure) -> [PromptPiece] {
        guard let pad = tokenizer.id(of: placeholder) else {
            throw .badInput("the tokenizer has no \(placeholder), which stands for a \(medium.rawValue)")
        }
        guard let (markup, timestamps) = frames else {
            return [.markup(label + prefix), .media(medium, pad: pad, count: count), .markup(suffix)]
        }
        guard timestamps.allSatisfy({ $0 >= 0 && $0 <= 1e9 }) else {
            throw .badInput("the times of a video's frames are no times")
        }
        guard !timestamps.isEmpty, count % timestamps.count == 0 else {
            throw .badInput(
                "a video of \(count) tokens needs the times of its frames, not \(timestamps.count)")
        }
        return [.markup(label + prefix)]
            + timestamps.flatMap { time in
                [
                    .markup(markup.timePrefix + tenths(time) + markup.prefix),
                    .media(medium, pad: pad, count: count / timestamps.count), .markup(markup.suffix),
                ]
            } + [.markup(suffix)]
    }

    /// Seconds with one decimal, rounded from their exact binary value as C and Python print them.
    private func tenths(_ seconds: Double) -> String {
        var text = [CChar](repeating: 0, count: 400)
        _ = withVaList([seconds]) { vsnprintf(&text, text.count, "%.1f", $0) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension ChatTemplate.Reasoning {
    /// An answer as its turn shows it: reasoning is left out when it is old, and otherwise set apart.
    fileprivate func pieces(_ answer: String, isOld: Bool, isLast: Bool) -> [PromptPiece] {
        let (reasoning, rest) = split(answer)
        guard !isOld, isLast || !reasoning.isEmpty else { return [.text(rest)] }
        return [
            .markup(start), .text("\n" + reasoning + "\n"), .markup(end),
            .text("\n\n" + rest.trimmingPrefix { $0 == "\n" }),
        ]
    }

    /// The reasoning in an answer, empty where there is none, and what follows it.
    public func split(_ answer: String) -> (reasoning: String, rest: String) {
        let parts = answer.split(separator: end, omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return ("", answer) }
        let begun = first.split(separator: start, omittingEmptySubsequences: false).last ?? first
        return (begun.trimmingNewlines, String(last.trimmingPrefix { $0 == "\n" }))
    }
}

extension Message {
    /// The texts among the parts, one after the other.
    fileprivate var text: String {
        parts.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }
}

extension Substring {
    fileprivate var trimmingNewlines: String {
        var text = self.trimmingPrefix { $0 == "\n" }
        while text.last == "\n" { text.removeLast() }
        return String(text)
    }
}
