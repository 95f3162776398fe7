import Storage
import TestSupport
import Testing

/// Models whose weights are finite and whose values are not: no command takes them for sound ones.
@Suite struct NonFiniteTests {
    private static let directory = Result { try TemporaryDirectory() }
    private static let sound = Result { () throws -> String in
        let path = try directory.get().file("sound.tessera")
        let outcome = try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", path)
        guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
        return path
    }
    private static func make(_ name: String, _ values: [String: Float]) throws -> String {
        try alter(sound.get(), values, at: directory.get().file("\(name).tessera"))
    }
    /// Only what comes out of the last norm overflows.
    private static let norm = Result { try make("norm", ["text.norm.weight": 1.7e38]) }
    /// A block in the middle does.
    private static let block = Result { try make("block", ["text.block.1.mlp.down.weight": 1e38]) }
    /// The vision tower does.
    private static let vision = Result { try make("vision", ["vision.block.0.mlp.down.weight": 1e38]) }
    /// Values of layer 1 are finite, and beyond float16.
    private static let values = Result { try make("values", ["text.block.1.attention.v.bias": 1e5]) }
    private static let keys = Result { try make("keys", ["text.block.0.attention.k.bias": -7e4]) }

    private let picture = Fixtures.path("demo-pictures/scene_0.png")

    private static let written = Result { () throws -> String in
        let path = try directory.get().file("text.txt")
        let words = String(repeating: "What colour is the circle? A red square. ", count: 20)
        try writeFile(path, Array(words.utf8))
        return path
    }

    private func text() throws -> String { try Self.written.get() }

    /// As the base, as the other and as both; with a gate that anything passes but what has no limit.
    private func diff(
        _ bad: String, _ arguments: [String], gates: [[String]] = [[], ["--max-kl", "1e9"]]
    ) throws -> [Outcome] {
        let sound = try Self.sound.get()
        return try [(sound, bad), (bad, sound), (bad, bad)].flatMap { base, other in
            try gates.map { try run("tessera-diff", arguments: [base, other] + arguments + $0) }
        }
    }

    @Test func overATextTheStageAndThePositionAreNamed() throws {
        for (bad, stage) in [(try Self.norm.get(), "text.norm"), (try Self.block.get(), "text.block.1.")] {
            for outcome in try diff(bad, ["--text", text(), "--ctx", "16", "--chunks", "3"]) {
                #expect(outcome.status == 1, "\(outcome.errors)")
                #expect(outcome.errors.contains(stage), "\(outcome.errors)")
                #expect(outcome.errors.contains("token 8 of window 0"), "\(outcome.errors)")
                #expect(!outcome.output.contains("nan"), "\(outcome.output)")
            }
        }
    }

    @Test func onAPromptTheStageAndTheRowAreNamed() throws {
        for (bad, stage) in [
            (try Self.norm.get(), "text.norm"), (try Self.block.get(), "text.block.1"),
            (try Self.vision.get(), "vision.block.0"),
        ] {
            let outcomes = try diff(
                bad, ["--image", picture, "-p", "What colour is it?", "-n", "4"],
                gates: [[], ["--max-rel-error", "1e9"]])
            for outcome in outcomes {
                #expect(outcome.status == 1, "\(outcome.errors)")
                #expect(outcome.errors.contains(stage), "\(outcome.errors)")
            }
        }
    }

    /// JSON has no infinity, and null might be taken for 0.
    @Test func reportsAsJSONSayIt() throws {
        for arguments in [
            ["--text", try text(), "--ctx", "16", "--chunks", "2"], ["-p", "Hello", "-n", "2"],
        ] {
            let outcome = try run(
                "tessera-diff",
                arguments: [try Self.sound.get(), try Self.norm.get(), "--json"] + arguments)
            #expect(outcome.status == 1)
            let divergence = try #require(try JSON(parsing: Array(outcome.output.utf8))["divergence"])
            for name in ["mean", "standard_error", "maximum", "other_perplexity"] {
                #expect(divergence[name] == "infinite", "\(name)")
            }
            #expect(divergence["non_finite"]?.int == divergence["positions"]?.int)
            #expect(divergence["first_non_finite"]?["row"]?.int == 0)
            #expect(divergence["first_non_finite"]?["side"] == "other")
            #expect(divergence["base_perplexity"]?.double ?? 0 > 1)
        }
    }

    @Test func aReferenceIsNotReachedByThem() throws {
        let outcome = try run(
            "tessera-diff", try Self.vision.get(), "--golden",
            Fixtures.path("demo-pictures/scene_0.safetensors"), "--image", picture)
        #expect(
            outcome.status == 1 && outcome.errors.contains("image.out: is not finite"), "\(outcome.errors)")
        let answers = try run(
            "tessera-diff", try Self.norm.get(), "--answers", Fixtures.path("demo-pictures/answers.json"))
        #expect(answers.status == 3 && answers.errors.contains("no distribution"), "\(answers.errors)")
    }

    @Test func anAnswerIsRefused() throws {
        for (bad, words) in [
            (try Self.norm.get(), "the last layer or the final norm is at fault"),
            (try Self.block.get(), "from layer 2 on"), (try Self.vision.get(), "from layer 0 on"),
        ] {
            for sampling in [[], ["--temp", "0.8", "--seed", "1"]] {
                let outcome = try run(
                    "tessera-run", arguments: [bad, "--image", picture, "-p", "What is it?"] + sampling)
                #expect(outcome.status == 3 && outcome.output.isEmpty, "\(outcome.output)")
                #expect(outcome.errors.contains(words), "\(outcome.errors)")
            }
        }
    }

    /// What float16 does not hold is refused by the layer's name, by every instruction set; float32 and codes hold it.
    @Test(arguments: ["", "scalar"])
    func theCacheRefusesWhatItDoesNotHold(set: String) throws {
        let environment = set.isEmpty ? [:] : ["TESSERA_ISA": set]
        for (model, layer) in [(try Self.values.get(), "layer 1"), (try Self.keys.get(), "layer 0")] {
            let refused = try run(
                "tessera-run", arguments: [model, "-p", "Hello", "-n", "2"], environment: environment)
            #expect(refused.status == 3 && refused.output.isEmpty)
            #expect(refused.errors.contains(layer) && refused.errors.contains("--cache-type f32"))
            for type in ["f32", "i8"] {
                let kept = try run(
                    "tessera-run", arguments: [model, "-p", "Hello", "-n", "2", "--cache-type", type],
                    environment: environment)
                #expect(kept.status == 0, "\(kept.errors)")
            }
        }
    }

    @Test func calibrationNamesTheValue() throws {
        let output = try Self.directory.get().file("none.cal")
        for (bad, words) in [
            (try Self.norm.get(), ["graph 'text'", "sample 0"]),
            (try Self.block.get(), ["graph 'text'", "block.1", "sample 0"]),
        ] {
            let outcome = try run(
                "tessera-calibrate", bad, "--data", text(), "-o", output, "--window", "16", "--tokens", "64")
            #expect(outcome.status == 3 && !Path.exists(output), "\(outcome.errors)")
            for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        }
    }

    /// Figures of a calibration file that cannot be are refused, not left out.
    @Test(arguments: [Float.nan, .infinity, -1]) func figuresOfInputsAreChecked(value: Float) throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("good.cal")
        let made = try run(
            "tessera-calibrate", try Self.sound.get(), "--data", text(), "-o", file, "--window", "16",
            "--tokens", "64")
        try #require(made.status == 0, "\(made.errors)")
        let bad = try alter(
            file, ["text.block.0.attention.q.weight/text/moments": value], elements: 0..<1,
            at: directory.file("bad.cal"))
        let outcome = try run(
            "tessera-quantize", try Self.sound.get(), "--calibration", bad, "--bits", "6", "-o",
            directory.file("out.tessera"))
        #expect(outcome.status == 3, "\(outcome.errors)")
        #expect(outcome.errors.contains("text.block.0.attention.q.weight"), "\(outcome.errors)")
    }
}
