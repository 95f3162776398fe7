import Accuracy
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// What quantization costs the trained model: answers about pictures, and distance from full precision.
@Suite(.serialized) struct QuantizedTests {
    private func open(_ bundle: Result<String, any Error>) throws -> Model {
        try Model(try bundle.get(), .init(threads: 2, cachePrecision: .float32))
    }

    @Test func answersStayRight() throws {
        let file = Fixtures.path("demo-pictures/answers.json")
        let full = try AnswerCount(open(Bundled.demo), file: file)
        #expect(full.items.count >= 40)
        #expect(full.right == full.items.count)
        #expect(try AnswerCount(open(Bundled.demoInt8), file: file).right == full.right)
        #expect(try AnswerCount(open(Bundled.demoInt4), file: file).right * 10 >= full.right * 9)
    }

    @Test func int8IsCloserThanInt4() throws {
        func compare(_ other: Result<String, any Error>) throws -> PromptComparison {
            try PromptComparison(
                base: open(Bundled.demo), other: open(other),
                pictures: [Fixtures.path("demo-pictures/scene_0.png")],
                prompt: "Describe the picture.", answerTokens: 32)
        }
        let (int8, int4) = (try compare(Bundled.demoInt8), try compare(Bundled.demoInt4))
        #expect(int8.firstDifference == nil)
        #expect(int8.divergence.mean < 0.01)
        #expect(int8.divergence.mean < int4.divergence.mean)
        #expect(int8.stages.count == int4.stages.count)
        // Every stage but the inputs, which both take as they are, shows some error.
        #expect(int8.stages.filter { $0.relativeL2 > 0 }.count >= int8.stages.count - 1)
    }

    @Test func aModelIsAtNoDistanceFromItself() throws {
        let comparison = try PromptComparison(
            base: open(Bundled.demoInt8), other: open(Bundled.demoInt8),
            pictures: [Fixtures.path("demo-pictures/scene_1.png")], prompt: "What digit is written?",
            answerTokens: 16)
        #expect(comparison.divergence.maximum == 0)
        #expect(comparison.divergence.agreement == 1)
        #expect(comparison.stages.allSatisfy { $0.relativeMaximum == 0 })
    }

    @Test func aTextIsScoredInHalfWindowsAndItsBaseRunKept() throws {
        let directory = try TemporaryDirectory()
        let text = String(repeating: "How many shapes are there? What color are the shapes? ", count: 20)
        let (base, other) = (try open(Bundled.demo), try open(Bundled.demoInt8))
        func compare(_ keep: String?, ranBase: inout Int) throws -> TextComparison {
            var runs = 0
            let kept = try KeptRun(base, text: text, window: 32, maximumWindows: 3, keep: keep) { _, _ in
                runs += 1
            }
            ranBase = runs
            return try TextComparison(base: base, other: other, kept: kept) { _, _, _ in }
        }
        var runs = 0
        let direct = try compare(nil, ranBase: &runs)
        #expect(runs == 3)
        #expect(direct.divergence.positions == 3 * 15)
        let keep = directory.file("base")
        _ = try compare(keep, ranBase: &runs)
        let again = try compare(keep, ranBase: &runs)
        #expect(runs == 0)
        #expect(again.divergence.mean == direct.divergence.mean)
        let failure = #expect(throws: Failure.self) {
            _ = try KeptRun(other, text: text, window: 32, maximumWindows: 3, keep: keep) { _, _ in }
        }
        #expect(failure?.kind == .badInput)
    }
}
