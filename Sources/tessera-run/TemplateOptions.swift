import ArgumentParser
import CommandSupport
import Prompts
import Storage
import Tessera

/// What a chat template is given beside the messages.
struct TemplateOptions: ParsableArguments {
    @Option(help: "A system message instead of the template's own.")
    var system: String?

    @Option(
        help: """
            Functions that the model may call: a JSON file with a list in the words of the OpenAI interface, for chat \
            templates that take one. Calls are shown as the model writes them.
            """)
    var tools: String?

    @Option(help: "Whether the model reasons first, for chat templates that let one choose: on or off.")
    var thinking: Choice?

    @Option(
        help:
            "How long it reasons, for chat templates that let one choose, in their words: low, medium, xhigh."
    )
    var reasoningEffort: String?

    @Option(
        help: """
            What else the chat template is told, as a JSON object: {"preserve_thinking": false}. A conversation that goes on \
            keeps what it was told.
            """)
    var chatTemplateKwargs: String?

    enum Choice: String, ExpressibleByArgument { case on, off }

    /// Files that are read.
    var inputs: [String] { tools.map { [$0] } ?? [] }

    /// Gives a conversation what was asked for, and warns of what its template makes nothing of.
    /// - Throws: `usage` for what is no JSON object, `badInput` and `io` for a file of functions that cannot be read.
    func apply(to session: Session) throws(Failure) {
        if let tools { session.tools = try readTools(tools) }
        let given = try variables()
        session.variables.merge(given) { $1 }
        if session.isBegun, system != nil {
            Console.warn("--system is for the beginning of a conversation, and this one has begun")
        }
        guard session.model.tokenizer != nil else { return }
        let unused = given.keys.sorted().filter { !session.model.prompt.template.speaks(of: $0) }
        for option in try unusedParts(session) + unused.map(option) {
            Console.warn("the model's chat template makes nothing of \(option)")
        }
    }

    private func variables() throws(Failure) -> [String: JSON] {
        var variables: [String: JSON] = [:]
        if let chatTemplateKwargs {
            let json = try? JSON(parsing: Array(chatTemplateKwargs.utf8))
            guard let members = json?.members else {
                throw Failure(.usage, "--chat-template-kwargs is no JSON object")
            }
            for member in members { variables[member.key] = member.value }
        }
        if let thinking { variables["enable_thinking"] = .bool(thinking == .on) }
        if let reasoningEffort { variables["reasoning_effort"] = .string(reasoningEffort) }
        return variables
    }

    /// The option that gives a variable.
    private func option(_ variable: String) -> String {
        switch variable {
        case "enable_thinking" where thinking != nil: "--thinking"
        case "reasoning_effort" where reasoningEffort != nil: "--reasoning-effort"
        default: "'\(variable)'"
        }
    }

    private func unusedParts(_ session: Session) throws(Failure) -> [String] {
        let tokenizer = try session.model.requireTokenizer()
        func written(_ change: (inout Prompts.Conversation) -> Void) -> WrittenConversation? {
            var conversation = Prompts.Conversation([Message(role: "user", text: "Why?")])
            change(&conversation)
            return try? session.model.prompt.write(conversation, tokenizer)
        }
        let plain = written { _ in }
        var unused: [String] = []
        if let tools = session.tools, written({ $0.tools = tools }) == plain { unused.append("--tools") }
        if let system {
            let first = Message(role: "system", text: system)
            if written({ $0.messages.insert(first, at: 0) }) == plain { unused.append("--system") }
        }
        return unused
    }

    private func readTools(_ path: String) throws(Failure) -> JSON {
        let json = try JSON(file: path, limit: 1 << 20)
        guard json.array?.isEmpty == false else {
            throw .badInput("holds no list of functions", file: path)
        }
        return json
    }
}
