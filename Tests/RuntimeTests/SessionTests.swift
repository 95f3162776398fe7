import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// Nothing counts as said before it was evaluated, and what cannot be said leaves a conversation as it was.
@Suite(.serialized) struct SessionTests {
    private func demo() throws -> Model { try Model(Bundled.demo.get(), .init(threads: 2)) }

    private func picture(_ model: Model) throws -> Patches {
        try model.picture(Fixtures.path("demo-pictures/scene_2.png"))
    }

    private func refusal<Result>(_ body: () throws -> Result) -> Failure? {
        do {
            _ = try body()
            return nil
        } catch { return error as? Failure }
    }

    private static let long = String(repeating: "What color is the circle? ", count: 40)

    /// Draws, too, go on as if the turn had never been tried.
    @Test func aTurnWithoutRoomWasNotSaid() throws {
        let model = try demo()
        let picture = try picture(model)
        let options = Session.Options(sampling: .init(temperature: 0.8, seed: 11), maximumTokens: 8)
        func converse(failing: Bool) throws -> (answers: [[Int32]], cached: Int) {
            let session = try Session(model, capacity: 160)
            func fail() throws {
                guard failing else { return }
                let cached = session.context.cache.count
                for parts: [Session.Part] in [
                    [.text(SessionTests.long)], [.image(picture), .text(SessionTests.long)],
                ] {
                    let refusal = refusal { try session.answer(parts, options: options) }
                    #expect(refusal?.kind == .limit)
                    #expect(session.context.cache.count == cached)
                }
                // A picture whose values do not fit its grid is found when it is to be encoded.
                let broken = Patches(values: [1, 2, 3], grid: picture.grid)
                #expect(refusal { try session.answer([.image(broken)], options: options) }?.kind == .badInput)
                #expect(session.context.cache.count == cached)
            }
            try fail()
            let first = try session.answer(
                [.image(picture), .text("How many shapes are there?")], options: options)
            try fail()
            let second = try session.answer([.text("What color are they?")], options: options)
            try fail()
            let third = try session.answer([.text("Why?")], options: options)
            return ([first.tokens, second.tokens, third.tokens], session.context.cache.count)
        }
        let (plain, troubled) = (try converse(failing: false), try converse(failing: true))
        #expect(plain.answers == troubled.answers && plain.cached == troubled.cached)
    }

    @Test func preparingSaysNothing() throws {
        let model = try demo()
        let session = try Session(model, capacity: 256)
        let question: [Session.Part] = [.text("Describe the picture.")]
        let options = Session.Options(sampling: .init(), maximumTokens: 4)
        let prompts = try (0..<3).map { _ in try session.prepare(question) }
        #expect(prompts[0].tokens == prompts[2].tokens && prompts[0].positions == prompts[2].positions)
        let answer = try session.answer(prompts[1], options: options)
        #expect(
            answer.tokens == (try Session(model, capacity: 256).answer(question, options: options).tokens))
        // It belongs where it was made.
        #expect(refusal { try session.answer(prompts[0], options: options) }?.kind == .usage)
    }

    /// The last token said waits for the next turn, and the reason differs from that of a length asked for.
    @Test func aFullContextEndsAnAnswerAndSaysSo() throws {
        let model = try demo()
        let question: [Session.Part] = [.text("x")]
        let prompt = try Session(model, capacity: 1).prepare(question).tokens.count
        let session = try Session(model, capacity: prompt + 5)
        let answer = try session.answer(question, options: .init(sampling: .init(), maximumTokens: 100))
        #expect(answer.end == .contextFull && answer.tokens.count == 6)
        #expect(session.context.cache.count == prompt + 5)
        let roomy = try Session(model, capacity: 512)
        let same = try roomy.answer(question, options: .init(sampling: .init(), maximumTokens: 6))
        #expect(same.end == .length && same.tokens == answer.tokens)
        for _ in 0..<2 {
            let refusal = refusal { try session.answer([.text("y")], options: .init(sampling: .init())) }
            #expect(refusal?.kind == .limit)
            #expect(session.context.cache.count == prompt + 5)
        }
        // What waits is the first of the next prompt.
        #expect(try session.prepare([.text("y")]).tokens == (try roomy.prepare([.text("y")]).tokens))
        #expect(try session.prepare([.text("y")]).tokens.first == answer.tokens.last)
    }

    /// A context goes back to a mark whatever came after it, to the last bit.
    @Test func aMarkIsComeBackTo() throws {
        let model = try demo()
        let tokens = (0..<80).map { Int32(5 + $0 * 7 % 90) }
        func input(_ range: Range<Int>, _ context: TextContext) -> TextContext.Input {
            context.text(Array(tokens[range]), from: Int32(range.lowerBound))
        }
        let (plain, marked) = (
            try TextContext(model.engine, capacity: 100), try TextContext(model.engine, capacity: 100)
        )
        for context in [plain, marked] { _ = try context.evaluate(prompt: input(0..<30, context)) }
        let mark = marked.mark
        _ = try marked.evaluate(prompt: input(50..<80, marked))
        try marked.restore(mark)
        #expect(marked.cache.count == 30)
        #expect(
            try marked.evaluate(prompt: input(30..<50, marked)).values
                == (try plain.evaluate(prompt: input(30..<50, plain)).values))
    }

    @Test func capacitiesThatAreNone() throws {
        let model = try demo()
        for capacity in [0, -1, Int.min] {
            #expect(refusal { try Session(model, capacity: capacity) }?.kind == .usage)
            #expect(refusal { try TextContext(model.engine, capacity: capacity) }?.kind == .usage)
            #expect(refusal { try model.estimateMemory(for: [], capacity: capacity) }?.kind == .usage)
        }
        for capacity in [Int.max, 2_000_000_000, 1 << 40] {
            #expect(refusal { try Session(model, capacity: capacity) }?.kind == .limit)
        }
        let huge = refusal { try Session(model, capacity: 2_000_000_000) }
        #expect(huge?.message.contains("a cache of 2000000000 tokens takes 1953125 MiB of memory") == true)
    }

    @Test func seedsAreDrawnAnewUnlessGiven() throws {
        let model = try demo()
        func answer(_ seed: UInt64?, _ temperature: Float = 2) throws -> Session.Answer {
            try Session(model, capacity: 128).answer(
                [.text("Describe the picture.")],
                options: .init(sampling: .init(temperature: temperature, seed: seed), maximumTokens: 12))
        }
        let drawn = try (0..<4).map { _ in try answer(nil) }
        #expect(Set(drawn.map(\.seed)).count > 1)
        for first in drawn.prefix(2) { #expect(try answer(first.seed).tokens == first.tokens) }
        #expect(try answer(7).seed == 7)
        #expect(try answer(nil, 0).seed == nil)
        #expect(try answer(1, 0).tokens == (try answer(2, 0).tokens))
        // The second turn goes on with the draws of the first.
        let session = try Session(model, capacity: 256)
        let options = Session.Options(sampling: .init(temperature: 100, seed: 5), maximumTokens: 12)
        let turns = try (0..<2).map { _ in try session.answer([.text("x")], options: options) }
        #expect(turns[0].tokens != turns[1].tokens && turns[1].seed == 5)
    }

    /// What a bundle says of sampling, of the context and of tokens is checked when it is opened.
    @Test(
        arguments: [
            ("sampling", "temperature", JSON.double(1e300), "sampling.temperature"),
            ("sampling", "temperature", -1, "sampling.temperature"),
            ("sampling", "top_p", "0.9", "sampling.top_p"), ("sampling", "top_k", "many", "sampling.top_k"),
            ("sampling", "top_k", .int(.max), "sampling.top_k"),
            ("sampling", "repetition_penalty", 0, "sampling.repetition_penalty"),
            ("general", "context_length", 0, "general.context_length"),
            ("general", "context_length", .int(.max), "general.context_length"),
            ("prompt", "stop_tokens", [435, 448], "prompt"),
            ("prompt", "stop_tokens", [-1], "prompt.stop_tokens"),
            ("prompt", "image_token", 1_000_000, "prompt"),
        ] as [(String, String, JSON, String)])
    func metadataIsChecked(section: String, key: String, value: JSON, place: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("odd.tessera")
        _ = try makeBundle(Fixtures.path("demo-qwen2-vl"), nil, at: path) { metadata in
            let part = (metadata[section] ?? .object([])).setting(key, to: value)
            return metadata.setting(
                section, to: section == "sampling" ? part.setting("do_sample", to: true) : part)
        }
        let refusal = refusal { try Model(path) }
        #expect(refusal?.kind == .badInput && refusal?.place == place, "\(String(describing: refusal))")
    }
}
