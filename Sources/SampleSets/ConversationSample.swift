package import Prompts
import Runtime
package import Storage
package import Tessera

/// A conversation of a calibration set, made ready for a model.
package struct ConversationSample {
    /// Token ids, placeholders included.
    package let tokens: [Int32]
    /// Which of them are answers of the model, those that it gave itself among them.
    package let answers: [Range<Int>]
    /// The number of the first token of the model's own answer; nil where it was not asked for one.
    package let ownAnswer: Int?
    /// Its pictures and videos, in the order of the prompt.
    package let visuals: [PreparedPrompt.Visual]

    /// Reads `{"messages": [{"role", "content"}]}`; content is a text or a list of parts `{"type": "text" | "image" | "video"}`.
    /// - Parameters:
    ///   - files: where its pictures and videos are.
    ///   - answerTokens: how long an answer of the model's own may be, where the conversation ends with a question; 0 for none.
    ///   - answer: gives an answer to a prompt, of so many tokens at most; as the model's session does where it is nil.
    /// - Throws: `badInput` when it is malformed, or a picture or video cannot be read; `limit` when the model takes fewer tokens.
    package init(
        _ json: JSON, files: MediaFiles, _ model: Model, answerTokens: Int,
        answer: ((PreparedPrompt, Int) throws(Failure) -> [Int32])? = nil
    ) throws(Failure) {
        guard let entries = json["messages"]?.array, !entries.isEmpty else {
            throw .badInput("has no list of messages")
        }
        var visuals: [PreparedPrompt.Visual] = []
        var messages: [Message] = []
        for entry in entries {
            guard let role = entry["role"]?.string, ["system", "user", "assistant"].contains(role) else {
                throw .badInput("has a message whose role is none of system, user and assistant")
            }
            var parts: [Message.Part] = []
            if let text = entry["content"]?.string {
                parts = [.text(text)]
            } else if let list = entry["content"]?.array {
                for part in list { parts.append(try Self.part(part, files, model, &visuals)) }
            } else {
                throw .badInput("has a message without content")
            }
            messages.append(Message(role: role, parts: parts))
        }
        let tokenizer = try model.requireTokenizer()
        let asks = messages.last?.role != "assistant"
        let written = try model.prompt.write(
            Conversation(messages, asksForAnswer: asks && answerTokens > 0), tokenizer)
        let tokens = tokenizer.encode(written.pieces)
        guard tokens.count <= model.contextLimit else {
            throw Failure(.limit, "has \(tokens.count) tokens; the model takes \(model.contextLimit)")
        }
        let prompt = try PreparedPrompt(tokens: tokens, visuals: visuals, settings: model.prompt)
        self.visuals = prompt.visuals
        let answers = written.answers(roles: messages.map(\.role), tokenizer, tokens)
        let room = min(answerTokens, model.contextLimit - tokens.count)
        guard asks, room > 0 else {
            (self.tokens, self.answers, ownAnswer) = (tokens, answers, nil)
            return
        }
        let said: [Int32]
        if let answer {
            said = try answer(prompt, room)
        } else {
            let session = try Session(model, capacity: tokens.count + room)
            said = try session.answer(prompt, options: .init(sampling: .init(), maximumTokens: room)).tokens
        }
        self.tokens = tokens + said
        ownAnswer = tokens.count
        let own = tokens.count..<self.tokens.count
        self.answers = answers + (own.isEmpty ? [] : [own])
    }

    private static func part(
        _ json: JSON, _ files: MediaFiles, _ model: Model, _ visuals: inout [PreparedPrompt.Visual]
    ) throws(Failure) -> Message.Part {
        func name(_ key: String) throws(Failure) -> String {
            guard let name = json[key]?.string, !name.isEmpty else {
                throw .badInput("has a part of type '\(key)' that names no file")
            }
            return name
        }
        switch json["type"]?.string {
        case "text":
            guard let text = json["text"]?.string else {
                throw .badInput("has a part of type 'text' without text")
            }
            return .text(text)
        case "image":
            let patches = try files.picture(try name("image"), model)
            visuals.append(.init(.image, patches))
            return .image(tokens: try model.prompt.shape(.image, patches.grid).tokens)
        case "video":
            let video = try files.video(try name("video"), model)
            visuals.append(video)
            return .video(
                tokens: try model.prompt.shape(.video, video.patches.grid).tokens,
                timestamps: video.timestamps)
        default:
            throw .badInput("has a part of type '\(json["type"]?.string ?? "none")'")
        }
    }
}

/// Where the pictures and videos that a conversation names are.
package enum MediaFiles {
    /// In the file system; what names that do not begin at the root are relative to.
    case folder(String)
    /// In a set that ships with the program.
    case shipped(DefaultSet)

    /// The patches of the picture of that name.
    func picture(_ name: String, _ model: Model) throws(Failure) -> Patches {
        switch self {
        case .folder(let folder): try model.picture(try Self.path(name, folder))
        case .shipped(let set): try model.picture(try set.bytes(name), name: Path.join(set.word, name))
        }
    }

    /// The size of the picture of that name, upright.
    package func size(_ name: String, _ model: Model) throws(Failure) -> ImageSize {
        let reading = model.prompt.images.reading
        return switch self {
        case .folder(let folder): try model.decoder.size(file: try Self.path(name, folder), reading)
        case .shipped(let set): try model.decoder.size(try set.bytes(name), name: name, reading)
        }
    }

    /// The patches of the video of that name.
    func video(_ name: String, _ model: Model) throws(Failure) -> PreparedPrompt.Visual {
        switch self {
        case .folder(let folder): try model.video(try Self.path(name, folder))
        case .shipped(let set): throw .badInput("has no videos", file: set.word)
        }
    }

    /// Where a file of that name is, named in a file in `folder`.
    package static func path(_ name: String, _ folder: String) throws(Failure) -> String {
        guard !name.contains("://") else { throw .badInput("names '\(name)'; only files can be read") }
        return name.hasPrefix("/") ? name : Path.join(folder, name)
    }
}
