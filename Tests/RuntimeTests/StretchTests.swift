import Prompts
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// Models whose rotary positions stretch with the length of the prompt.
@Suite(.serialized) struct StretchTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The demo, stretching its positions beyond `trained` tokens.
    private func model(trained: Int) throws -> Model {
        let outputs = #"{"name":"outputs","type":"index[outputs]"}"#
        let path = try forge(
            "demo-qwen2-vl",
            [
                (outputs, outputs + #",{"name":"prompt_length","type":"index[1]"}"#),
                (#""operands":["positions"]"#, #""operands":["positions","prompt_length"]"#),
                (#""sections":[4,6,6]"#, #""sections":[4,6,6],"trained_length":\#(trained)"#),
            ], at: directory.file("\(trained).tessera"))
        return try Model(path, .init(threads: 2))
    }

    /// An answer keeps the positions of its prompt however long it becomes; the next turn stretches all of them.
    @Test func aLongerConversationIsReadAnew() throws {
        let plain = try Model(try Bundled.demo.get(), .init(threads: 2))
        let picture = try plain.picture(Fixtures.path("demo-pictures/scene_2.png"))
        let question: [Session.Part] = [.image(picture), .text("How many shapes are there?")]
        let options = Session.Options(sampling: .init(), maximumTokens: 6)
        let unstretched = try Session(plain, capacity: 512)
        let first = try unstretched.prepare(question)
        let firstAnswer = try unstretched.answer(first, options: options)

        let model = try model(trained: first.tokens.count + 1)
        let session = try Session(model, capacity: 512)
        let answer = try session.answer(try session.prepare(question), options: options)
        #expect(answer.tokens == firstAnswer.tokens)
        let said = first.tokens + answer.tokens.prefix(session.context.cache.count - first.tokens.count)
        let second = try session.prepare([.text("What color are the shapes?")])
        let secondAnswer = try session.answer(second, options: options)

        let whole = try PreparedPrompt(
            tokens: said + second.tokens, visuals: first.visuals, settings: model.prompt)
        let again = try Session(model, capacity: 512).answer(whole, options: options)
        #expect(secondAnswer.tokens == again.tokens)
    }

    /// The final hidden state says so to the last bit, and would differ had the cache been kept.
    @Test func readingAnewIsExact() throws {
        let model = try model(trained: 40)
        let tokens = (0..<60).map { Int32(5 + $0 * 7 % 90) }
        func context() throws -> TextContext { try TextContext(model.engine, capacity: 100) }
        func rows(_ range: Range<Int>, _ context: TextContext) -> TextContext.Input {
            context.text(Array(tokens[range]), from: Int32(range.lowerBound))
        }
        let (whole, turns, kept) = (try context(), try context(), try context())
        let expected = try whole.evaluate(rows(0..<60, whole)).values
        _ = try turns.evaluate(prompt: rows(0..<20, turns))
        _ = try turns.evaluate(rows(20..<23, turns))
        #expect(try turns.evaluate(prompt: rows(23..<60, turns)).values == expected)
        #expect(turns.cache.count == 60)
        _ = try kept.evaluate(rows(0..<20, kept))
        #expect(try kept.evaluate(rows(20..<60, kept)).values != expected)

        // What was taken back is not read again.
        let other = try context()
        _ = try other.evaluate(prompt: rows(0..<20, other))
        _ = try other.evaluate(rows(0..<15, other))
        other.cache.rewind(to: 20)
        #expect(try other.evaluate(prompt: rows(20..<60, other)).values == expected)
    }

    /// A saved conversation knows how far its positions stretch, and reads everything anew where they stretch further.
    @Test func aSavedConversationStretches() throws {
        let plain = try Model(try Bundled.demo.get(), .init(threads: 2))
        let picture = try plain.picture(Fixtures.path("demo-pictures/scene_2.png"))
        let question: [Session.Part] = [.image(picture), .text("How many shapes are there?")]
        let count = try Session(plain, capacity: 512).prepare(question).tokens.count
        // Stretched from the second turn on, from the first on, and never.
        for trained in [count + 1, count / 2, 4 * count] {
            let model = try model(trained: trained)
            let options = Session.Options(sampling: .init(), maximumTokens: 6)
            let kept = try Session(model, capacity: 512)
            _ = try kept.answer(question, options: options)
            let path = directory.file("session")
            for next in ["What color are the shapes?", "Why?"] {
                try kept.save(to: OutputPath(path, replacing: true, inputs: []))
                let loaded = try Session(model, resuming: path, capacity: 400)
                let (expected, answer) = (
                    try kept.answer([.text(next)], options: options),
                    try loaded.answer([.text(next)], options: options)
                )
                #expect(expected.tokens == answer.tokens)
                func cache(_ session: Session) throws -> [[UInt8]] {
                    try session.context.cache.withStored { (parts) throws(Failure) in parts.map(Array.init) }
                }
                #expect(try cache(kept) == cache(loaded))
            }
        }
    }

    /// What was read anew for a turn that then failed is read as it was before, to the last bit.
    @Test func aFailedTurnIsTakenBack() throws {
        let model = try model(trained: 40)
        let tokens = (0..<90).map { Int32(5 + $0 * 7 % 90) }
        func rows(_ range: Range<Int>, _ context: TextContext) -> TextContext.Input {
            context.text(Array(tokens[range]), from: Int32(range.lowerBound))
        }
        let (plain, troubled) = (
            try TextContext(model.engine, capacity: 100), try TextContext(model.engine, capacity: 100)
        )
        for context in [plain, troubled] {
            _ = try context.evaluate(prompt: rows(0..<20, context))
            _ = try context.evaluate(rows(20..<23, context))
        }
        let mark = troubled.mark
        _ = try troubled.evaluate(prompt: rows(30..<90, troubled))
        try troubled.restore(mark)
        #expect(troubled.cache.count == 23)
        #expect(
            try troubled.evaluate(rows(23..<30, troubled)).values
                == (try plain.evaluate(rows(23..<30, plain)).values))
    }
}
