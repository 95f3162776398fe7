import Storage
import TestSupport
import Testing

/// `tessera-inspect plan` says what `tessera-run` then evaluates.
@Suite struct PlanCommandTests {
    private let picture = Fixtures.path("demo-pictures/scene_0.png")

    private func report(_ command: String, _ arguments: [String]) throws -> JSON {
        let outcome = try run(command, arguments: arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try JSON(parsing: Array(outcome.output.utf8))
    }

    private func expectSame(_ bundle: String, _ media: [String]) throws {
        let plan = try report("tessera-inspect", ["plan", bundle, "-p", "What is it?", "--json"] + media)
        let answer = try report("tessera-run", [bundle, "-p", "What is it?", "-n", "1", "--json"] + media)
        let tokens = try #require(plan["prompt_tokens"]?.int)
        #expect(tokens == answer["prompt_tokens"]?.int)
        // A context of so many tokens is enough, one less is not, for both.
        for (context, status) in [(tokens, 0), (tokens - 1, 5)] {
            let words = ["-p", "What is it?", "-c", "\(context)"] + media
            #expect(try run("tessera-inspect", arguments: ["plan", bundle] + words).status == Int32(status))
            #expect(try run("tessera-run", arguments: [bundle, "-n", "1"] + words).status == Int32(status))
        }
    }

    @Test func ofPicturesAndVideos() throws {
        let folder = try TemporaryDirectory()
        for index in 0..<5 {
            try writeFile(
                folder.file("\(index).png"),
                try readFile(Fixtures.path("preprocessing/v_48x200_5_0\(index).png")))
        }
        let bundle = try SharedBundles.demo.get()
        try expectSame(bundle, [])
        try expectSame(bundle, ["--image", picture, "--image", picture, "--system", "Be brief."])
        try expectSame(bundle, ["--video", folder.path, "--fps", "4", "--image", picture])
        try expectSame(bundle, ["--video", folder.path, "--max-frames", "2"])
    }

    /// Every picture is as many tokens as there are queries, whatever its size.
    @Test func ofTheFirstGeneration() throws {
        let bundle = try SharedBundles.published("qwen-vl")
        try expectSame(bundle, ["--image", picture])
        let plan = try report(
            "tessera-inspect", ["plan", bundle, "--image", "1280x960", "--image", "3x2000", "--json"])
        let tokens = plan["pictures"]?.array?.compactMap { $0["tokens"]?.int } ?? []
        #expect(tokens.count == 2 && tokens[0] == tokens[1] && tokens[0] > 0)
        #expect(try run("tessera-inspect", "plan", bundle, "--video", "64x48x5").status == 3)
    }

    /// As the reference cuts them: pixels are limited for all frames together.
    @Test(arguments: [
        ("1920x1080x20", 11960), ("64x48x5", 12), ("1280x720x120", 11400), ("3840x2160x20", 11960),
    ])
    func ofVideosWithLimitsForAllFrames(size: String, tokens: Int) throws {
        let plan = try report(
            "tessera-inspect",
            ["plan", SharedBundles.published("qwen3-vl"), "--video", size, "--json", "-c", "20000"])
        #expect(plan["picture_tokens"]?.int == tokens)
        #expect(plan["prompt_tokens"] == nil)
    }

    @Test func theTrainedLengthIsWatched() throws {
        let bundle = try SharedBundles.demo.get()
        let plan = try report("tessera-inspect", ["plan", bundle, "--json"])
        #expect(plan["context"] == 2048 && plan["context_limit"] == 2048)
        let quiet = try run("tessera-run", bundle, "-p", "x", "-n", "1")
        #expect(quiet.status == 0 && !quiet.errors.contains("warning"))
        let warned = try run("tessera-run", bundle, "-p", "x", "-n", "1", "-c", "2049")
        #expect(
            warned.status == 0 && warned.errors.contains("warning: --ctx-size 2049 is beyond the 2048 tokens")
        )
    }

    @Test func aCacheLargerThanMemoryIsRefused() throws {
        let outcome = try run("tessera-run", SharedBundles.demo.get(), "-p", "x", "-c", "2000000000")
        #expect(outcome.status == 5)
        #expect(outcome.errors.contains("a cache of 2000000000 tokens takes 1953125 MiB of memory"))
    }

    /// The seed that is reported repeats an answer.
    @Test func seedsAreReported() throws {
        let arguments = [
            try SharedBundles.demo.get(), "-p", "Describe the picture.", "-n", "12", "--temp", "3", "--json",
        ]
        let first = try report("tessera-run", arguments)
        let seed = try #require(first["seed"]?.int)
        let again = try report("tessera-run", arguments + ["--seed", "\(seed)"])
        #expect(again["tokens"] == first["tokens"] && again["seed"] == first["seed"])
        let others = try (0..<3).map { _ in try report("tessera-run", arguments)["seed"]?.int }
        #expect(Set(others + [seed]).count > 1)
        #expect(try report("tessera-run", arguments + ["--temp", "0"])["seed"] == nil)
        let shown = try run("tessera-run", arguments: arguments.filter { $0 != "--json" } + ["-v"])
        #expect(shown.errors.contains("; seed: "))
    }

    @Test func anAnswerThatFillsTheContextSaysSo() throws {
        let outcome = try run("tessera-run", SharedBundles.demo.get(), "-p", "x", "-c", "24", "--json")
        #expect(outcome.status == 0 && outcome.errors.contains("the context of 24 tokens is full"))
        #expect(try JSON(parsing: Array(outcome.output.utf8))["end"] == "context_full")
    }
}
