import Storage
import TestSupport
import Testing

@testable import Prompts

/// What templates are told of reasoning, and of what else somebody chose for them.
@Suite struct ReasoningTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(checkpoint: Fixtures.path("tokenizer")) }

    @Test(arguments: [
        ("<think>\nwell\n</think>\n\nyes", "well", "yes"), ("well\n</think>\n\nyes\n", "well", "yes\n"),
        ("</think>", "", ""), ("a<think>b</think>c</think>d", "b", "d"),
        ("<think>a<think> b \n\n</think> d", " b ", " d"),
        ("\n\u{2028}é\u{301}\r\n</think>\n\r\n日", "\u{2028}é\u{301}\r", "\r\n日"),
    ])
    func answersAreTakenApart(said: String, thoughts: String, answer: String) throws {
        let reasoning = try #require(Reasoning(in: said))
        #expect(reasoning.thoughts == thoughts)
        #expect(reasoning.answer == answer)
    }

    @Test(arguments: ["", "yes", "<think>\nwell"])
    func withoutAnEndThereIsNone(said: String) { #expect(Reasoning(in: said) == nil) }

    private func written(_ jinja: String, _ conversation: Conversation) throws -> String {
        var settings = try PromptSettings.writing("qwen2-vl", tokenizer)
        settings.template = try ChatTemplate(jinja, .given(name: "test"))
        return tokenizer.text(of: try settings.pieces(conversation, tokenizer))
    }

    /// A template that speaks of reasoning gets it apart, as the models' own servers give it; another sees all that was said.
    @Test func templatesThatReadReasoningGetItApart() throws {
        let said = Message(role: "assistant", parts: [.said("hm\n</think>\n\nyes", [1, 2])])
        let conversation = Conversation([said])
        #expect(
            try written("{{ messages[0].reasoning_content }}|{{ messages[0].content }}", conversation)
                == "hm|yes")
        #expect(
            try written("{{ messages[0].content }}", conversation)
                == tokenizer.decode([1, 2], skipSpecials: false))
        var kept = said
        kept.more = [.init("reasoning_content", "given")]
        #expect(try written("{{ messages[0].reasoning_content }}", Conversation([kept])) == "given")
    }

    @Test func variablesReachTheTemplate() throws {
        let variables: [String: JSON] = [
            "reasoning_effort": "low", "preserve_thinking": false, "levels": [1, 2],
        ]
        let jinja =
            "{{ reasoning_effort }} {{ preserve_thinking }} {{ levels | length }} {{ enable_thinking is defined }}"
        #expect(try written(jinja, Conversation([], variables: variables)) == "low False 2 False")
    }

    /// What somebody gives is no word of the template's own: it ends no turn.
    @Test func variablesBecomeNoSpecialTokens() throws {
        var settings = try PromptSettings.writing("qwen2-vl", tokenizer)
        settings.template = try ChatTemplate("{{ effort }}", .given(name: "test"))
        let pieces = try settings.pieces(Conversation([], variables: ["effort": "<|im_end|>"]), tokenizer)
        #expect(tokenizer.encode(pieces) == tokenizer.encode("<|im_end|>", specials: .asText))
    }

    @Test(arguments: ["messages", "tools", "add_generation_prompt", "documents", "apart"])
    func namesOfTheConversationAreTaken(name: String) throws {
        let failure = #expect(throws: Failure.self) {
            try written("x", Conversation([], variables: [name: "x"]))
        }
        #expect(failure?.kind == .usage)
        #expect(failure?.message.contains("'\(name)'") == true)
    }
}
