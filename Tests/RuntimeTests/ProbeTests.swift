import Bundles
import GraphIR
import Prompts
import Runtime
import SampleSets
import Storage
import Tessera
import TestSupport
import Testing
import Threads

@testable import Calibration

/// Which samples of a set answers are compared over, and what is recorded of them.
@Suite(.serialized) struct ProbeTests {
    private typealias Sample = (medium: PromptPiece.Medium?, tokens: Int, length: Int)

    private func choice(_ samples: [(medium: PromptPiece.Medium?, tokens: Int, length: Int)]) throws
        -> ProbeChoice
    {
        let made = try ProbedFixture("qwen2-vl")
        var set = PreparedSet(made.model.prompt)
        for (medium, tokens, length) in samples {
            // Patches of 2 × tokens: two rows of squares.
            let grid = PatchGrid(t: 1, h: 2, w: 2 * tokens)
            let settings = made.model.prompt
            let pad = medium == .video ? settings.videoToken ?? 0 : settings.imageToken
            let visuals: [PreparedSet.Visual] = medium.map { [.init($0, grid)] } ?? []
            try set.add(
                Array(repeating: pad, count: medium == nil ? 0 : tokens) + Array(repeating: 1, count: length),
                visuals)
        }
        return ProbeChoice(set)
    }

    /// A picture of 1280 × 960 takes 1564 tokens; whatever its place in the set is, it is among those that are run, and so is every
    /// other kind.
    @Test func everyKindIsRun() throws {
        let large: Sample = (.image, 1564, 30)
        let others: [Sample] = [
            (nil, 0, 400), (.image, 64, 20), (.image, 700, 20), (.video, 900, 40), (nil, 0, 90),
        ]
        for place in 0...others.count {
            var samples = others
            samples.insert(large, at: place)
            let choice = try choice(samples)
            #expect(choice.samples == Array(0..<6))
            #expect(choice.counts.map(\.kind) == ProbeChoice.Kind.allCases && choice.missing.isEmpty)
        }
    }

    @Test func whatIsTooLongIsPassedOver() throws {
        // Among many of a kind, one that does not fit ends nothing.
        let long: Sample = (.image, 64, 2200)
        let pictures = try choice([long] + Array(repeating: (.image, 64, 100), count: 9))
        #expect(pictures.samples == Array(1...9))
        // The shortest of those that are all too long for their room, unless none is short enough to stand alone.
        let single = try choice([(.image, 3000, 20), (.image, 2500, 20), (nil, 0, 50)])
        #expect(single.samples == [1, 2])
        let none = try choice([(.image, 3000, 2000), (.video, 3000, 5000)])
        #expect(none.samples.isEmpty && none.missing == [.largePictures, .videos])
        // Plain text is never too long: it is cut.
        #expect(try choice([(.image, 3000, 2000), (nil, 0, 5000)]).samples == [1])
        // Without a row of text whose next token matters there is nothing to compare.
        #expect(try choice([(nil, 0, 1), (.image, 64, 0)]).counts.isEmpty)
    }

    /// What a set of texts costs is what it cost; no kind takes more than its room or one sample.
    @Test func theBudgetHolds() throws {
        let texts = try choice(Array(repeating: (nil, 0, 512), count: 40))
        #expect(texts.tokens == ProbeChoice.plainBudget && texts.samples.count == 4)
        var samples: [Sample] = []
        for index in 0..<40 {
            samples.append((nil, 0, 100 + index))
            for tokens in [100, 400, 1100] { samples.append((.image, tokens + index, 30)) }
            samples.append((.video, 300 + index, 30))
        }
        let mixed = try choice(samples)
        #expect(mixed.tokens <= 3 * ProbeChoice.budget && mixed.counts.allSatisfy { $0.count > 0 })
    }

    /// A text is run as far as its window goes; one with answers as far as it goes, for they may be at its end.
    @Test func textWithoutAnswersIsCut() throws {
        let fixture = try ProbedFixture("qwen2-vl")
        try fixture.add(nil, nil, text: 400)
        try fixture.add(nil, nil, text: 300, answers: [290..<300])
        let choice = ProbeChoice(fixture.set)
        let probe = AnswerProbe(
            fixture.graph, fixture.set, patches: fixture.patches, pool: try ThreadPool(threads: 1),
            largeProduct: nil)
        let run = probe.prepared.samples.map(\.tokens)
        #expect(run.map(\.count) == [ProbeChoice.window, 300] && choice.tokens == ProbeChoice.window + 300)
        #expect(run[0] == Array(fixture.set.samples[0].tokens.prefix(ProbeChoice.window)))
    }

    @Test func tokensOfOtherModelsAreRefused() throws {
        let fixture = try ProbedFixture("qwen2-vl")
        var set = PreparedSet(fixture.model.prompt)
        try set.add([1, .max, 2], [])
        let failure = #expect(throws: Failure.self) {
            try CalibrationRecorder(
                fixture.model.bundle, set, patches: fixture.patches, detail: .light, sensitivity: true,
                threads: 1)
        }
        #expect(failure?.kind == .badInput && failure?.message.contains("the token 2147483647") == true)
    }

    /// The first picture having more than 1024 tokens, the weights of the vision tower matter nevertheless.
    @Test func aLargePictureIsProbed() throws {
        let fixture = try ProbedFixture("qwen2.5-vl")
        try fixture.add(.image, PatchGrid(t: 1, h: 52, w: 80), text: 30)
        try fixture.add(nil, nil, text: 60)
        let file = try fixture.calibrate()
        for use in fixture.graph.uses {
            #expect(try file.sensitivity(use.weight) ?? 0 > 0, "\(use.weight)")
            #expect(try !file.isUnprobed(use.weight))
        }
        #expect(try file.bundle.metadata["probe"]?["kinds"]?["large pictures"]?.int == 1)
    }

    /// The fixture's second feature is added to rows of pictures after the last layer, where no row of text reads them: noise in it
    /// reaches no answer, which is not to say that it may be coarse.
    @Test func whatReachesNoAnswerIsNotProbed() throws {
        let fixture = try ProbedFixture("qwen3-vl")
        try fixture.addUsual()
        let file = try fixture.calibrate()
        for use in fixture.graph.uses where use.role.matches("vision.feature.*") {
            #expect(try file.isUnprobed(use.weight) == (use.block == 1))
            #expect(try (file.sensitivity(use.weight) == nil) == (use.block == 1))
        }
    }

    /// Pictures in samples that are too long to be run again and again: nothing is recorded of the vision tower, and that is said.
    @Test func whatIsNotProbedHasNoSensitivity() throws {
        let fixture = try ProbedFixture("qwen3-vl")
        try fixture.add(.image, PatchGrid(t: 1, h: 4, w: 4), text: 4200)
        try fixture.add(nil, nil, text: 60)
        let file = try fixture.calibrate()
        for use in fixture.graph.uses {
            let isVision = use.role.matches("vision.*")
            #expect(try (file.sensitivity(use.weight) == nil) == isVision, "\(use.weight)")
            #expect(try file.isUnprobed(use.weight) == isVision, "\(use.weight)")
        }
        let rules = try file.bundle.metadata["warnings"]?.array?.map { $0["rule"]?.string } ?? []
        #expect(rules.count { $0 == "not_probed" } == 2, "\(rules)")
    }

    /// Nothing at all can be run again and again: then nothing has a sensitivity.
    @Test func nothingIsProbed() throws {
        let fixture = try ProbedFixture("qwen3-vl")
        try fixture.add(nil, nil, text: 4200, answers: [4000..<4100])
        let file = try fixture.calibrate()
        #expect(try fixture.graph.uses.allSatisfy { try file.sensitivity($0.weight) == nil })
    }

    /// What a weight's noise costs is what a run of everything with it says, though only what comes after is run.
    @Test(arguments: ["qwen2-vl", "qwen3-vl", "qwen3-vl-moe", "qwen3.5"]) func nothingIsLostBeforeTheNoise(
        fixture: String
    ) throws {
        let fixture = try ProbedFixture(fixture)
        try fixture.addUsual()
        let file = try fixture.calibrate()
        let bundle = fixture.model.bundle
        let probe = AnswerProbe(
            fixture.graph, fixture.set, patches: fixture.patches, pool: try ThreadPool(threads: 2),
            largeProduct: nil)
        let plain = { (name: String) throws(Failure) in LentWeight(name, of: bundle) }
        let base = try probe.answers(try probe.hidden(plain) { _ throws(Failure) in }, plain)
        var measured = 0
        for use in fixture.graph.uses {
            guard let found = try file.sensitivity(use.weight) else { continue }
            let weight = try #require(try plain(use.weight))
            let noise = try NoisyWeight(weight).lent
            let noisy = { (name: String) throws(Failure) in name == use.weight ? noise : try plain(name) }
            let hidden = try probe.hidden(noisy) { _ throws(Failure) in }
            let whole = try probe.divergence(base, hidden, noisy)
            #expect(abs(found / whole - 1) < 1e-6, "\(use.weight): \(found) \(whole)")
            measured += 1
        }
        #expect(measured > 10)
    }

    /// Noise that reaches the second half of a sample only counts more where that half is an answer, and less where it is the
    /// question's.
    @Test func answersWeighMore() throws {
        let fixture = try ProbedFixture("qwen2-vl")
        let tokens = (1...40).map(Int32.init)
        func divergence(_ answers: [Range<Int>]) throws -> Double {
            var set = PreparedSet(fixture.model.prompt)
            try set.add(tokens, [], answers: answers)
            let probe = AnswerProbe(
                fixture.graph, set, patches: fixture.patches, pool: try ThreadPool(threads: 2),
                largeProduct: nil)
            let bundle = fixture.model.bundle
            let plain = { (name: String) throws(Failure) in LentWeight(name, of: bundle) }
            let noise = try fixture.doubled("text.embedding.weight", rows: 21..<41)
            let noisy = { (name: String) throws(Failure) in
                name == "text.embedding.weight" ? noise : LentWeight(name, of: bundle)
            }
            let base = try probe.hidden(plain) { _ throws(Failure) in }
            let other = try probe.hidden(noisy) { _ throws(Failure) in }
            return try probe.divergence(try probe.answers(base, plain), other, noisy)
        }
        // Rows of the first half are equal, so a mean is a share of the same sum, nearly: which rows are taken may shift by one.
        let (none, asked, answered) = (
            try divergence([]), try divergence([1..<20]), try divergence([21..<40])
        )
        #expect(none > 0 && asked < none * 0.6 && answered > none * 1.4, "\(asked) \(none) \(answered)")
    }
}
