import Storage
import TestSupport
import Testing

@testable import Prompts

/// Conversations as `apply_chat_template` of transformers writes them, from messages to tokens: the grid of
/// `Tests/Reference/make_chat_grid.py`, for the templates that Tessera brings.
@Suite struct ChatGridTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(checkpoint: Fixtures.path("tokenizer")) }

    @Test(arguments: ["qwen2-vl", "qwen3-vl-instruct", "qwen3-vl-thinking"])
    func conversationsEqualReference(name: String) throws {
        let grid = try Fixtures.json("chat-templates/grid.json")
        let expected = try #require(grid["rendered"]?[name]?.array)
        var settings = try PromptSettings.writing(name, tokenizer)
        // The template's own form; the times of frames come from the processor.
        settings.videoFrame = nil
        var compared = 0
        for (index, entry) in try #require(grid["conversations"]?.array).enumerated() {
            let tools = entry["tools"]?.ints.map { $0.compactMap { grid["tools"]?.array?[$0] } }
            let given = entry["settings"]
            let conversation = Conversation(
                (entry["messages"]?.array ?? []).map(message), tools: tools.map { .array($0) },
                thinking: given?["enable_thinking"]?.bool,
                numbersMedia: given?["add_vision_id"]?.bool ?? false,
                asksForAnswer: given?["add_generation_prompt"]?.bool ?? false)
            guard let wanted = expected[index].string else {
                #expect(throws: Failure.self) { try settings.write(conversation, tokenizer) }
                continue
            }
            let pieces = try settings.pieces(conversation, tokenizer)
            let text = tokenizer.text(of: pieces)
            let digest = String(try SHA256.digest(Array(text.utf8)).description.prefix(12))
            #expect(
                wanted == (index < grid["whole"]?.int ?? 0 ? text : digest), "conversation \(index): \(text)")
            compared += 1
            // Special tokens that a person spells out are the one difference that is meant.
            guard !typed(pieces).contains("<|"), !typed(pieces).contains("think>") else { continue }
            #expect(
                tokenizer.encode(pieces) == tokenizer.encode(text, specials: .parse), "conversation \(index)")
        }
        #expect(compared >= 200)
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
