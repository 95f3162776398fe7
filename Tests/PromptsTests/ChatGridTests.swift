import Storage
import TestSupport
import Testing

@testable import Prompts

/// Conversations as `apply_chat_template` of transformers writes them, from messages to tokens: the grid of
/// `Tests/Reference/make_chat_grid.py`, for the templates that Tessera brings.
@Suite struct ChatGridTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(checkpoint: Fixtures.path("tokenizer")) }

    /// Ours for Qwen3.5 refuses functions.
    @Test(arguments: [
        ("qwen2-vl", 240), ("qwen3-vl-instruct", 240), ("qwen3-vl-thinking", 240), ("qwen3.5", 122),
    ])
    func conversationsEqualReference(name: String, count: Int) throws {
        let grid = try Fixtures.json("chat-templates/grid.json")
        let expected = try #require(grid["rendered"]?[name]?.array)
        let settings = try settings(name)
        var compared = 0
        for (index, entry) in try #require(grid["conversations"]?.array).enumerated() {
            let conversation = conversation(entry, grid)
            guard let wanted = expected[index].string else {
                #expect(throws: Failure.self) { try settings.write(conversation, tokenizer) }
                continue
            }
            let pieces = try settings.pieces(conversation, tokenizer)
            let text = tokenizer.text(of: pieces)
            #expect(
                try wanted == (index < grid["whole"]?.int ?? 0 ? text : digest(text)),
                "conversation \(index): \(text)")
            compared += 1
            // Special tokens that a person spells out are the one difference that is meant.
            guard !typed(pieces).contains("<|"), !typed(pieces).contains("think>") else { continue }
            #expect(
                tokenizer.encode(pieces) == tokenizer.encode(text, specials: .parse), "conversation \(index)")
        }
        #expect(compared == count)
    }

    /// Where a checkpoint of Qwen3.5 has no template, ours writes what those of its family have: that of the small ones, and, asked
    /// to reason, that of the others. Both are known by their SHA-256.
    @Test(arguments: [
        ("273d8e0e683b885071fb17e08d71e5f2a5ddfb5309756181681de4f5a1822d80", false),
        ("a4aee8afcf2e0711942cf848899be66016f8d14a889ff9ede07bca099c28f715", true),
    ])
    func ownTemplateWritesAsPublished(published: String, reasons: Bool) throws {
        let grid = try Fixtures.json("chat-templates/grid.json")
        let expected = try #require(grid["published"]?[published]?.array)
        let settings = try settings("qwen3.5")
        var compared = 0
        for (index, entry) in try #require(grid["conversations"]?.array).enumerated() {
            var conversation = conversation(entry, grid)
            guard let wanted = expected[index].string, conversation.tools?.array?.isEmpty != false else {
                continue
            }
            conversation.variables.merge(["enable_thinking": .bool(reasons)]) { given, _ in given }
            let text = tokenizer.text(of: try settings.pieces(conversation, tokenizer))
            #expect(try wanted == digest(text), "conversation \(index): \(text)")
            compared += 1
        }
        #expect(compared >= 100)
    }

    private func settings(_ template: String) throws -> PromptSettings {
        var settings = try PromptSettings.writing(template, tokenizer)
        // The template's own form; the times of frames come from the processor.
        settings.videoFrame = nil
        return settings
    }

    private func conversation(_ entry: JSON, _ grid: JSON) -> Conversation {
        let tools = entry["tools"]?.ints.map { $0.compactMap { grid["tools"]?.array?[$0] } }
        let given = entry["settings"]
        return Conversation(
            (entry["messages"]?.array ?? []).map(message), tools: tools.map { .array($0) },
            variables: variables(given), numbersMedia: given?["add_vision_id"]?.bool ?? false,
            asksForAnswer: given?["add_generation_prompt"]?.bool ?? false)
    }

    private func digest(_ text: String) throws -> String {
        String(try SHA256.digest(Array(text.utf8)).description.prefix(12))
    }

    /// What a program may look for, and the conversation does not give it otherwise.
    private func variables(_ settings: JSON?) -> [String: JSON] {
        let names = ["enable_thinking", "reasoning_effort", "preserve_thinking"]
        return Dictionary(
            uniqueKeysWithValues: names.compactMap { name in settings?[name].map { (name, $0) } })
    }

    private func message(_ json: JSON) -> Message {
        let more = (json.members ?? []).filter { !["role", "content"].contains($0.key) }
        let parts: [Message.Part]? = json["content"]?.array?.compactMap { part in
            switch part["type"]?.string {
            case "image": .image(tokens: 1)
            // The templates look for the key, and write nothing where it is missing.
            case "image_url": part["image_url"].map { _ in .image(tokens: 1) }
            case "video": .video(tokens: 1)
            default: .text(part["text"]?.string ?? "")
            }
        }
        return Message(
            role: json["role"]?.string ?? "", parts: parts ?? [.text(json["content"]?.string ?? "")],
            more: more)
    }

    private func typed(_ pieces: [PromptPiece]) -> String {
        pieces.map { if case .text(let text) = $0 { text } else { "" } }.joined(separator: "\u{0}")
    }
}
