import Formats
public import Storage

extension ChatTemplate {
    /// What was found out about the chat template of a checkpoint.
    public enum Recognition: Equatable, Sendable {
        /// It is one that `formats/chat-templates.json` knows by this name.
        case known(String)
        /// It is another one: the one of this name is used instead, which deserves a warning.
        case unknown(file: String, digest: Digest, instead: String)
        /// The checkpoint has none: the one of this name is used.
        case missing(instead: String)

        /// What to tell the user; nil when all is well.
        public var warning: String? {
            switch self {
            case .known: nil
            case .unknown(let file, let digest, let name):
                "\(file) has its own chat template (sha256 \(digest)) that is not a known one; using \(name)'s"
            case .missing(let name): "the checkpoint has no chat template; using \(name)'s"
            }
        }
    }

    /// What to use for a checkpoint whose template is not known.
    public struct Fallback: Sendable {
        /// Whose it is, for the warning.
        public var name: String
        /// The template.
        public var template: ChatTemplate

        /// Qwen2-VL's and Qwen2.5-VL's.
        public static let qwen2VL = Fallback(name: "Qwen2-VL", template: ChatTemplate())

        /// Qwen3-VL's: the one for thinking when the Jinja text starts answers with reasoning.
        public static func qwen3VL(_ jinja: String?) -> Fallback {
            let text = (jinja ?? "").replacing("\\n", with: "\n")
            return text.contains("assistant\n<think>\n'") || text.contains("assistant\n<think>\n\"")
                ? Fallback(name: "Qwen3-VL-Thinking", template: .qwen3VLThinking)
                : Fallback(name: "Qwen3-VL-Instruct", template: .qwen3VL)
        }
    }

    /// Finds the chat template of a checkpoint by the digest of its text, in `chat_template.jinja`,
    /// `chat_template.json` or `tokenizer_config.json`, whichever comes first.
    ///
    /// - Parameter fallback: what to use when there is none (nil) or it is not known, by its text.
    /// - Throws: `badInput` when one of these files is not what its name says.
    public static func recognize(
        checkpoint directory: String, fallback: (String?) -> Fallback
    ) throws(Failure) -> (template: ChatTemplate, recognition: Recognition) {
        guard let (file, text) = try published(in: directory) else {
            let instead = fallback(nil)
            return (instead.template, .missing(instead: instead.name))
        }
        // Jinja drops one line break at the end of a template, so it makes no difference here either.
        let bytes = Array(text.utf8)
        let digest = try SHA256.digest(bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes)
        for entry in try known() where entry.digests.contains(digest) {
            return (entry.template, .known(entry.name))
        }
        let instead = fallback(text)
        return (instead.template, .unknown(file: file, digest: digest, instead: instead.name))
    }

    /// The template that `formats/chat-templates.json` has by this name.
    public static func named(_ name: String) throws(Failure) -> ChatTemplate {
        for entry in try known() where entry.name == name { return entry.template }
        throw .badInput("there is no chat template \"\(name)\"")
    }

    /// A template of `formats/chat-templates.json`.
    struct Known {
        var name: String
        var digests: [Digest]
        var template: ChatTemplate
    }

    static func known() throws(Failure) -> [Known] {
        var known: [Known] = []
        for entry in try JSON(parsing: Formats.chatTemplates)["templates"]?.array ?? [] {
            let digests = entry["sha256"]?.strings?.compactMap { Digest(hexadecimal: $0) } ?? []
            known.append(
                Known(
                    name: entry["name"]?.string ?? "", digests: digests,
                    template: try ChatTemplate(json: entry["template"] ?? .null)))
        }
        return known
    }

    /// The Jinja text that a checkpoint comes with, and the file it is in.
    private static func published(in directory: String) throws(Failure) -> (file: String, text: String)? {
        let jinja = Path.join(directory, "chat_template.jinja")
        if Path.exists(jinja) {
            return (jinja, String(decoding: try readFile(jinja, limit: 16 << 20), as: UTF8.self))
        }
        for name in ["chat_template.json", "tokenizer_config.json"] {
            let file = Path.join(directory, name)
            guard Path.exists(file), let value = try JSON(file: file)["chat_template"] else { continue }
            if let text = value.string { return (file, text) }
            // Several templates by name; the one to chat with is called "default".
            let named = value.array?.first { $0["name"] == "default" }
            if let text = named?["template"]?.string { return (file, text) }
            throw .badInput("has a chat template that is no text", file: file, at: "chat_template")
        }
        return nil
    }
}
