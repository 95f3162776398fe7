import Accuracy
import Runtime
import SampleSets
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
        func compare(_ other: Result<String, any Error>) throws -> RunComparison {
            try RunComparison(
                base: open(Bundled.demo), other: open(other), picture: "demo-pictures/scene_0.png",
                "Describe the picture.")
        }
        let (int8, int4) = (try compare(Bundled.demoInt8), try compare(Bundled.demoInt4))
        #expect(int8.samples[0].parting == nil)
        #expect(int8.divergence.mean < 0.01)
        #expect(int8.divergence.mean < int4.divergence.mean)
        #expect(int8.stages.map(\.name) == int4.stages.map(\.name))
        #expect(int8.stages.allSatisfy { $0.accumulated.relativeL2 > 0 && $0.own.relativeL2 > 0 })
        // What came before is no error of a stage's own.
        let last = try #require(int8.stages.last)
        #expect(last.own.relativeL2 < last.accumulated.relativeL2)
        for run in [int8, int4] {
            #expect(RunFindings(run.stages, expected: [:]).findings.count > 0)
        }
    }

    @Test func aModelIsAtNoDistanceFromItself() throws {
        let comparison = try RunComparison(
            base: open(Bundled.demoInt8), other: open(Bundled.demoInt8),
            picture: "demo-pictures/scene_1.png", "What digit is written?", attributionTokens: 64)
        #expect(comparison.divergence.maximum == 0)
        #expect(comparison.divergence.agreement == 1)
        for error in comparison.stages.flatMap({ [$0.accumulated, $0.own] }) {
            #expect(error.relativeMaximum == 0)
        }
        let attribution = try #require(comparison.attribution)
        #expect(attribution.modules.isEmpty && attribution.whole == 0)
        #expect(RunFindings(comparison.stages, expected: [:]).findings.isEmpty)
    }

    /// A text is scored as llama.cpp does; what was kept of the base is taken for it, and what was finished is not run again.
    @Test func aTextIsScoredInHalfWindows() throws {
        let directory = try TemporaryDirectory()
        let text = directory.file("text.txt")
        let words = String(repeating: "How many shapes are there? What color are the shapes? ", count: 20)
        try writeFile(text, Array(words.utf8))
        let (base, other) = (try open(Bundled.demo), try open(Bundled.demoInt8))
        var set = try EvaluationSet(base, answerTokens: 0)
        try set.add(text: text, window: 32, windows: 3)
        let direct = try RunComparison(base: base, other: other, set)
        #expect(direct.divergence.positions == 3 * 15)

        var whole = try EvaluationSet(base, answerTokens: 0)
        try whole.add(text: text, window: 32, windows: 3, from: 0)
        let bands = try RunComparison(base: base, other: other, whole).divergence.bands
        #expect(bands.first?.places.lowerBound == 0 && bands.map(\.positions).reduce(0, +) == 3 * 31)
        #expect(throws: Failure.self) { try whole.add(text: text, window: 32, windows: 3, from: 31) }

        let keep = directory.file("base")
        var runs = 0
        for expected in [3, 0] {
            runs = 0
            let kept = try KeptRun(base, set, window: 32, keep: keep) { _, _ in runs += 1 }
            #expect(runs == expected)
            let again = try RunComparison(base: base, other: other, set, kept: kept)
            #expect(again.divergence == direct.divergence)
        }
        let failure = #expect(throws: Failure.self) {
            _ = try KeptRun(other, set, window: 32, keep: keep) { _, _ in }
        }
        #expect(failure?.kind == .badInput)
    }

    /// Stopped anywhere, and with its last record cut short, a comparison goes on to the same figures.
    @Test func aJournalIsGoneOnFrom() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("journal")
        let (base, other) = (try open(Bundled.demo), try open(Bundled.demoInt4))
        var set = try EvaluationSet(base, answerTokens: 8)
        let picture = Fixtures.path("demo-pictures/scene_0.png")
        for question in ["Describe the picture.", "How many shapes are there?"] {
            try set.add(question: question, pictures: [picture], videos: [])
        }
        let identity = try set.digest()
        struct Stopped: Error {}
        func compare(stopAfter most: Int) throws -> RunComparison {
            var steps = 0
            return try RunComparison(
                base: base, other: other, set, options: .init(answerTokens: 8, attributionTokens: 64),
                journal: RunJournal(path, identity: identity, inputs: [])
            ) { (_) throws(Failure) in
                steps += 1
                if steps > most { throw Failure(.interrupted, "stopped") }
            }
        }
        let whole = try RunComparison(
            base: base, other: other, set, options: .init(answerTokens: 8, attributionTokens: 64))
        #expect(throws: Failure.self) { _ = try compare(stopAfter: 1) }
        let afterOne = try readFile(path).count
        #expect(throws: Failure.self) { _ = try compare(stopAfter: 60) }
        let bytes = try readFile(path)
        #expect(bytes.count > afterOne)
        try Path.remove(path)
        try writeFile(OutputPath(path, inputs: []), Array(bytes.dropLast(3)))
        let resumed = try compare(stopAfter: .max)
        #expect(resumed.divergence == whole.divergence)
        #expect(resumed.samples.map(\.parting) == whole.samples.map(\.parting))
        #expect(resumed.attribution?.modules.map(\.cost) == whole.attribution?.modules.map(\.cost))
        let foreign = #expect(throws: Failure.self) {
            _ = try RunJournal(path, identity: try SHA256.digest([]), inputs: [])
        }
        #expect(foreign?.kind == .badInput)
    }

    /// Exchanging everything is the whole, exchanging a role is its blocks' modules together, and costs are divergences.
    @Test func partsAreExchangedOneByOne() throws {
        let comparison = try RunComparison(
            base: open(Bundled.demo), other: open(Bundled.demoInt4), picture: "demo-pictures/scene_0.png",
            "Describe the picture.", attributionTokens: 64)
        let attribution = try #require(comparison.attribution)
        #expect(attribution.modules.contains { $0.name == "text.block.2.mlp.gate+up" })
        #expect(attribution.modules.contains { $0.name == "vision.block.1.attention.qkv" })
        // The head is the embedding's table.
        #expect(attribution.modules.last?.name == "text.head")
        #expect(Set(attribution.modules.map(\.name)).count == attribution.modules.count)
        let costs = (attribution.blocks + attribution.roles).map(\.cost)
        #expect((costs + attribution.modules.map(\.cost)).allSatisfy { $0.only > 0 && $0.without ?? 1 > 0 })
        #expect(
            attribution.costliest.map { $0.cost.without != nil }
                == attribution.modules.indices.map { $0 < Attribution.probed })
        #expect(attribution.sum > attribution.whole / 4 && attribution.sum < attribution.whole * 4)
        // What one part alone costs is less than what all do together.
        #expect(attribution.modules.allSatisfy { $0.cost.only < attribution.whole })
        #expect(attribution.roles.count == Set(attribution.modules.map(\.role)).count)
        #expect(abs(attribution.weights - attribution.whole) < attribution.whole / 4)
    }
}

extension RunComparison {
    /// Compares on one question about a picture of the fixtures.
    init(
        base: Model, other: Model, picture: String, _ question: String, answerTokens: Int = 32,
        attributionTokens: Int? = nil
    ) throws {
        var set = try EvaluationSet(base, answerTokens: answerTokens)
        try set.add(question: question, pictures: [Fixtures.path(picture)], videos: [])
        try self.init(
            base: base, other: other, set,
            options: .init(answerTokens: answerTokens, attributionTokens: attributionTokens))
    }
}
