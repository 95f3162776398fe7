import Jinja
import Storage
import TestSupport
import Testing

/// What transformers and jinja2 made of the same templates, conversations and variables, character by character.
/// `Tests/Reference/make_chat_grid.py` wrote the fixtures.
@Suite struct ReferenceTests {
    /// The globals that `apply_chat_template` gives a template.
    private func globals(_ conversation: JSON, tools: [JSON]) -> [String: Value] {
        var globals: [String: Value] = [
            "messages": Value(json: conversation["messages"] ?? .null, origin: 1),
            "tools": .none, "documents": .none,
        ]
        if let wanted = conversation["tools"]?.ints {
            globals["tools"] = Value(json: .array(wanted.map { tools[$0] }), origin: 2)
        }
        for member in conversation["settings"]?.members ?? [] {
            globals[member.key] = Value(json: member.value, origin: nil)
        }
        return globals
    }

    @Test(arguments: [
        "qwen2-vl", "qwen3-vl-instruct", "qwen3-vl-thinking", "chatml", "chatml-default-system", "deepseek",
        "gemma",
        "hermes-tools", "llama3", "merged-turns", "mistral", "phi", "thinking-switch",
    ])
    func grid(name: String) throws {
        let grid = try Fixtures.json("chat-templates/grid.json")
        let template = try Template(Fixtures.chatTemplate(name))
        let conversations = try #require(grid["conversations"]?.array)
        let expected = try #require(grid["rendered"]?[name]?.array)
        #expect(conversations.count >= 200 && expected.count == conversations.count)
        for (index, conversation) in conversations.enumerated() {
            let text = try? template.render(globals(conversation, tools: grid["tools"]?.array ?? [])).text
            guard let text, let wanted = expected[index].string else {
                #expect(text == nil && expected[index] == .null, "conversation \(index)")
                continue
            }
            let isWhole = index < grid["whole"]?.int ?? 0
            let digest = String(try SHA256.digest(Array(text.utf8)).description.prefix(12))
            #expect(
                Array((isWhole ? text : digest).utf8) == Array(wanted.utf8), "conversation \(index): \(text)")
        }
    }

    @Test func expressions() throws {
        let fixture = try Fixtures.json("chat-templates/expressions.json")
        let variables = (fixture["variables"]?.members ?? []).map {
            ($0.key, Value(json: $0.value, origin: 1))
        }
        let cases = try #require(fixture["cases"]?.array)
        #expect(cases.count > 250)
        for pair in cases {
            let source = try #require(pair.array?.first?.string)
            let text = try? render(source, Dictionary(uniqueKeysWithValues: variables))
            #expect(
                text.map { Array($0.utf8) } == pair.array?.last?.string.map { Array($0.utf8) }, "\(source)")
        }
    }
}
