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
        for message in messages {
            progress.hasStarted = true
            pieces += opening(message.role)
            if numbersInMessage { (progress.images, progress.videos) = (0, 0) }
            for part in message.parts {
                switch part {
                case .text(let text):
                    pieces.append(.text(text))
                case .image(let tokens):
                    progress.images += 1
                    let label = isNumbered ? "\(image.label) \(progress.images): " : ""
                    pieces += try image.pieces(.image, count: tokens, label: label, tokenizer: tokenizer)
                case .video(let tokens):
                    guard video != .none else { throw .badInput("the model takes no videos") }
                    progress.videos += 1
                    let label = isNumbered ? "\(video.label) \(progress.videos): " : ""
                    pieces += try video.pieces(.video, count: tokens, label: label, tokenizer: tokenizer)
                }
            }
            pieces.append(.markup(turnEnd))
        }
        if generationPrompt { pieces.append(.markup(self.generationPrompt)) }
        return pieces
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
        _ medium: PromptPiece.Medium, count: Int, label: String, tokenizer: Tokenizer
    ) throws(Failure) -> [PromptPiece] {
        guard let pad = tokenizer.id(of: placeholder) else {
            throw .badInput("the tokenizer has no \(placeholder), which stands for a \(medium.rawValue)")
        }
        return [.markup(label + prefix), .media(medium, pad: pad, count: count), .markup(suffix)]
    }
}
