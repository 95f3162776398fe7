import Prompts
import Runtime
import Storage
import TestSupport
import Testing

@testable import Tessera

/// Drafting saves work and changes nothing: neither what is said nor what is kept of it.
@Suite(.serialized) struct PromptLookupTests {
    /// What an answer leaves behind, to the last bit.
    private struct Trace: Equatable {
        let tokens: [Int32]
        let end: Session.Answer.End
        let draws: UInt64?
        let cache: [[UInt8]]
    }

    private func trace(
        _ session: Session, _ prompt: PreparedPrompt, _ options: Session.Options
    ) throws -> (trace: Trace, accepted: Int) {
        let answer = try session.answer(prompt, options: options)
        let cache = try session.context.cache.withStored { (parts) throws(Failure) in parts.map(Array.init) }
        return (
            Trace(tokens: answer.tokens, end: answer.end, draws: session.state.sampler?.draws, cache: cache),
            answer.drafts?.accepted ?? 0
        )
    }

    /// Random models soon repeat themselves, so that there is much to draft.
    @Test(
        arguments: [
            ("qwen2-vl", nil), ("qwen2.5-vl", nil), ("qwen3-vl", nil), ("qwen3-vl-moe", nil),
            ("qwen3.5", nil), ("qwen3.5-moe", "int4"),
            ("qwen2-vl", "int8"), ("qwen3-vl-moe", "int4"),
        ] as [(fixture: String, recipe: String?)], [0, 0.7] as [Float])
    func everyGenerationSaysTheSame(model: (fixture: String, recipe: String?), temperature: Float) throws {
        let path = try Bundled.path(model.fixture, model.recipe)
        let loaded = try Model(path, .init(threads: 2))
        var accepted = 0
        for golden in try GoldenCase.all(of: model.fixture) {
            let prompt = try golden.prompt(loaded)
            var traces: [Trace] = []
            for draft in Session.Draft.allCases {
                let session = try Session(loaded, capacity: prompt.tokens.count + 60)
                let sampling = Sampler.Settings(
                    temperature: temperature, topK: 4, repetitionPenalty: 0.8, seed: 3)
                let (trace, kept) = try trace(
                    session, prompt, .init(sampling: sampling, maximumTokens: 64, draft: draft))
                traces.append(trace)
                accepted += kept
            }
            #expect(traces[0] == traces[1], "\(golden.name)")
        }
        #expect(temperature > 0 || accepted > 0)
    }

    /// Turns in which an answer repeats the question, and one whose end the context sets.
    @Test func conversationsAreTheSame() throws {
        let model = try Model(try Bundled.demo.get(), .init(threads: 2))
        let picture = try model.picture(Fixtures.path("demo-pictures/scene_2.png"))
        var answers: [[[Int32]]] = []
        var accepted = 0
        for draft in Session.Draft.allCases {
            let session = try Session(model, capacity: 200)
            let turns: [[Session.Part]] = [
                [.image(picture), .text("Describe the picture.")], [.text("Describe the picture.")],
                [.text("Describe the picture.")], [.text("What color are the shapes? Describe the picture.")],
            ]
            var said: [[Int32]] = []
            for turn in turns {
                guard
                    let answer = try? session.answer(
                        turn, options: .init(sampling: .init(), maximumTokens: 40, draft: draft))
                else { break }
                said.append(answer.tokens)
                accepted += answer.drafts?.accepted ?? 0
            }
            answers.append(said)
        }
        #expect(answers[0] == answers[1] && answers[0].count > 1)
        #expect(accepted > 0)
    }

    @Test func draftsGoOnAsTheTextDid() {
        func draft(_ tokens: [Int32], room: Int = 100) -> [Int32] {
            PromptLookup(tokens, undrafted: [99]).draft(room: room)
        }
        #expect(draft([]) == [] && draft([1]) == [] && draft([1, 2, 3]) == [])
        // One token alone is no reason.
        #expect(draft([1, 2, 3, 1]) == [])
        #expect(draft([1, 2, 3, 4, 1, 2]) == [3, 4])
        #expect(draft([1, 2, 3, 4, 5, 6, 1, 2, 3]) == [4, 5, 6])
        #expect(draft([1, 2, 3, 4, 5, 6, 1, 2, 3], room: 1) == [4] && draft([1, 2, 1, 2], room: 0) == [])
        // The longest agreement, of equal ones the latest.
        #expect(draft([1, 2, 3, 7, 9, 2, 3, 8, 1, 2, 3]) == [7, 9, 2])
        #expect(draft([2, 3, 7, 5, 2, 3, 8, 5, 6, 2, 3]) == [8, 5])
        // Behind the end of the text the draft goes on with itself.
        #expect(draft([1, 2, 1, 2, 1, 2]) == [1, 2, 1, 2])
        // An end and a picture are not drafted.
        #expect(draft([1, 2, 3, 99, 4, 1, 2, 3]) == [])
        #expect(draft([1, 2, 3, 4, 99, 1, 2, 3]) == [4])
        let long = (0..<100).map { Int32($0) }
        #expect(draft(long + long.prefix(50)).count == PromptLookup.longest)
    }

    /// Where drafts fail, longer agreement is asked for; one that holds makes up for it.
    @Test func failuresMakeItCareful() {
        var lookup = PromptLookup([1, 2, 3, 4, 1, 2], undrafted: [])
        #expect(!lookup.draft(room: 9).isEmpty)
        lookup.judge(2, accepted: 0)
        #expect(lookup.draft(room: 9).isEmpty)
        lookup.judge(2, accepted: 2)
        #expect(!lookup.draft(room: 9).isEmpty)
        #expect(lookup.drafted == 4 && lookup.accepted == 2)
    }
}
