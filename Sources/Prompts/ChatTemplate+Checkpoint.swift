import Formats
public import Storage

extension ChatTemplate {
    /// The templates that every build has, by name.
    public static var names: [String] { Formats.chatTemplates.map(\.name) }

    /// The template to speak to a checkpoint's model in.
    /// - Parameters:
    ///   - published: what the checkpoint comes with.
    ///   - given: what the user wants instead: a name of ``names`` or a file.
    ///   - own: the name of the one to take when the checkpoint has none.
    /// - Throws: `badInput` when the template cannot be read.
    public static func of(
        _ published: PublishedTemplate, given: String?, own: String
    ) throws(Failure) -> ChatTemplate {
        let tokens = published.tokens
        if let given { return try ChatTemplate(named: given, .given(name: given), tokens: tokens) }
        guard let (file, jinja) = published.program else {
            return try ChatTemplate(named: own, .ownForNone(name: own), tokens: tokens)
        }
        do { return try ChatTemplate(jinja, .checkpoint(file: Path.name(file)), tokens: tokens) } catch {
            throw Failure(
                error.kind, error.message, file: file, at: error.place,
                remedy:
                    "give another template: --chat-template with a file, or one of \(names.joined(separator: ", "))"
            )
        }
    }

    /// A template of ``names``, or of a file.
    /// - Throws: `badInput` when there is none, or it cannot be read.
    public init(named name: String, _ origin: Origin, tokens: [String: String] = [:]) throws(Failure) {
        if let known = Formats.chatTemplates.first(where: { $0.name == name }) {
            try self.init(String(decoding: known.jinja, as: UTF8.self), origin, tokens: tokens)
            return
        }
        guard Path.exists(name) else {
            throw .badInput(
                "there is no chat template and no file '\(name)'",
                remedy: "the templates are \(Self.names.joined(separator: ", "))")
        }
        do {
            let text = String(decoding: try readFile(name, limit: 16 << 20), as: UTF8.self)
            try self.init(text, origin, tokens: tokens)
        } catch { throw error.located(in: name) }
    }
}

/// What a checkpoint comes with of a chat template.
public struct PublishedTemplate: Sendable {
    /// The Jinja text and the file it is in, if there is one.
    public let program: (file: String, text: String)?
    /// The special tokens that templates may use by name.
    public let tokens: [String: String]

    /// A template from its parts.
    public init(program: (file: String, text: String)?, tokens: [String: String]) {
        (self.program, self.tokens) = (program, tokens)
    }

    /// That of a folder: `chat_template.jinja`, `chat_template.json`, `processor_config.json` or `tokenizer_config.json`,
    /// whichever comes first.
    /// - Throws: `badInput` when one of these files is not what its name says.
    public init(checkpoint directory: String) throws(Failure) {
        tokens = try Self.specialTokens(of: directory)
        program = try Self.program(in: directory)
    }

    private static func program(in directory: String) throws(Failure) -> (file: String, text: String)? {
        let jinja = Path.join(directory, "chat_template.jinja")
        if Path.exists(jinja) {
            return (jinja, String(decoding: try readFile(jinja, limit: 16 << 20), as: UTF8.self))
        }
        for name in ["chat_template.json", "processor_config.json", "tokenizer_config.json"] {
            let file = Path.join(directory, name)
            guard Path.exists(file), let value = try JSON(file: file)["chat_template"] else { continue }
            if let text = value.string { return (file, text) }
            // Several templates by name; the one to chat with is called "default".
            let named = value.array?.first { $0["name"] == "default" }
            if let text = named?["template"]?.string ?? value["default"]?.string { return (file, text) }
            throw .badInput("has a chat template that is no text", file: file, at: "chat_template")
        }
        return nil
    }

    /// The special tokens that templates may use by name.
    private static func specialTokens(of directory: String) throws(Failure) -> [String: String] {
        let file = Path.join(directory, "tokenizer_config.json")
        guard Path.exists(file) else { return [:] }
        let json = try JSON(file: file)
        var tokens: [String: String] = [:]
        for key in [
            "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
        ] {
            tokens[key] = json[key]?.string ?? json[key]?["content"]?.string
        }
        return tokens
    }
}
