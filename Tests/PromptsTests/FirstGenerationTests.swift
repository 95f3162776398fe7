import Storage
import TestSupport
import Testing

@testable import Prompts

/// The tokenizer, the templates and the pictures of Qwen-VL (2023), against its published code.
@Suite struct FirstGenerationTests {
    private let tokenizer: Tokenizer
    private let expected: JSON

    init() throws {
        tokenizer = try Tokenizer(checkpoint: Fixtures.path("qwen-vl/published"))
        expected = try Fixtures.json("qwen-vl/prompts/expected.json")
    }

    @Test func specialTokensFollowTheVocabulary() throws {
        for member in try #require(expected["special"]?.members) {
            #expect(tokenizer.id(of: member.key).map(Int.init) == member.value.int, "\(member.key)")
        }
        #expect(tokenizer.id(of: "<|extra_204|>") == 719)
        #expect(tokenizer.vocabularySize == 729)
    }

    @Test func tokensEqualReference() throws {
        for entry in try #require(expected["texts"]?.array) {
            let text = try #require(entry["text"]?.string)
            let parsed = tokenizer.encode(text, specials: .parse).map(Int.init)
            #expect(parsed == entry["parsed"]?.ints, "\(text.debugDescription)")
            let asText = tokenizer.encode(text, specials: .asText).map(Int.init)
            #expect(asText == entry["as_text"]?.ints, "\(text.debugDescription)")
        }
        let bytes = tokenizer.serialized()
        #expect(try Tokenizer(serialized: bytes).serialized() == bytes)
    }

    /// Marks of places are text, whoever writes them; marks of turns and pictures are not.
    @Test func placesMayStandInText() throws {
        let places = "<ref>dog</ref><box>(1,2),(3,4)</box><quad></quad>"
        let tokens = tokenizer.encode(places, specials: .asText)
        #expect(tokens == tokenizer.encode(places, specials: .parse))
        #expect(tokenizer.decode(tokens) == places)
        for special in ["<img>", "</img>", "<imgpad>", "<|im_start|>", "<|im_end|>", "<|extra_7|>"] {
            #expect(tokenizer.encode(special, specials: .parse).count == 1)
            #expect(tokenizer.encode(special, specials: .asText).count > 1)
            #expect(tokenizer.decode(tokenizer.encode(special, specials: .parse)) == "")
        }
    }

    @Test(arguments: [("chat", "qwen-vl-chat"), ("raw", "qwen-vl")])
    func promptsEqualReference(kind: String, name: String) throws {
        let settings = try PromptSettings.writing(name, tokenizer)
        for entry in try #require(expected[kind]?.array) {
            let messages = try #require(entry["messages"]?.array).map { message in
                Message(
                    role: message["role"]?.string ?? "",
                    parts: (message["parts"]?.array ?? []).map { part in
                        part.int.map { .image(tokens: $0) } ?? .text(part.string ?? "")
                    })
            }
            let tokens = tokenizer.encode(try settings.pieces(Conversation(messages), tokenizer))
            #expect(tokens.map(Int.init) == entry["ids"]?.ints, "\(entry["messages"] ?? .null)")
        }
    }

    @Test func videosAreRefused() throws {
        for name in ["qwen-vl-chat", "qwen-vl"] {
            let settings = try PromptSettings.writing(name, tokenizer)
            let video = Message(role: "user", parts: [.video(tokens: 4)])
            #expect(failure { _ = try settings.write(Conversation([video]), tokenizer) }?.kind == .badInput)
        }
    }

    /// Rows are resized first however the picture is shaped, transparency is dropped, and values are exact.
    @Test func pixelsEqualReference() throws {
        for member in try #require(expected["pictures"]?.members) {
            let side = try #require(member.value["side"]?.int)
            let settings = ImagePreprocessor.qwenVL(side: side, patchSize: 14, tokens: 16)
            #expect(try ImagePreprocessor(json: settings.json) == settings)
            let picture = try ImageDecoder().decode(
                file: Fixtures.path("qwen-vl/prompts/\(member.key)"), settings.reading)
            let patches = try settings.patches(picture)
            #expect(try patches.values.digest() == member.value["sha256"]?.string, "\(member.key)")
        }
    }

    /// What a file says of which side is up is not heeded.
    @Test func picturesStayAsStored() throws {
        let file = Fixtures.path("preprocessing/exif6_200x120.jpg")
        #expect(try ImageDecoder().decode(file: file, .stored).size == ImageSize(width: 200, height: 120))
        #expect(try ImageDecoder().decode(file: file, .composed).size == ImageSize(width: 120, height: 200))
    }
}
