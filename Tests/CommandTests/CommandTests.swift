import Bundles
import Foundation
import Storage
import TestSupport
import Testing
import Threads

func removeFile(_ path: String) { unlink(path) }

/// The commands from the outside: answers, reports and exit codes.
@Suite struct CommandTests {
    private static let work = Result { try TemporaryDirectory() }
    private static let bundle = Result { try convert("demo", nil) }
    private static let int4 = Result { try convert("demo-int4", "int4") }

    private static func convert(_ name: String, _ recipe: String?) throws -> String {
        let path = try work.get().file(name + ".tessera")
        let arguments = [Fixtures.path("demo-qwen2-vl"), "-o", path]
        let outcome =
            recipe == nil
            ? try run("tessera-from-qwen2-vl", arguments[0], arguments[1], arguments[2])
            : try run("tessera-from-qwen2-vl", arguments[0], arguments[1], arguments[2], "--quantize", "int4")
        guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
        return path
    }

    private let picture = Fixtures.path("demo-pictures/scene_0.png")

    @Test func aPictureIsDescribed() throws {
        let answers = try Fixtures.json("demo-pictures/answers.json").array ?? []
        let expected = try #require(
            answers.first { $0["image"] == "scene_0.png" && $0["question"] == "Describe the picture." }?[
                "answer"]?.string)
        for bundle in [CommandTests.bundle, CommandTests.int4] {
            let outcome = try run(
                "tessera-run", bundle.get(), "--image", picture, "-p", "Describe the picture.")
            #expect(outcome.status == 0)
            #expect(outcome.output == expected + "\n")
            #expect(outcome.errors.isEmpty)
        }
    }

    /// A set that this processor has answers as the best one does; another is refused, by whatever command.
    @Test(arguments: InstructionSet.all) func everyInstructionSetAnswers(set: InstructionSet) throws {
        func ask(_ environment: [String: String]) throws -> Outcome {
            try run(
                "tessera-run", CommandTests.int4.get(), "--image", picture, "-p", "What digit is written?",
                environment: environment)
        }
        let outcome = try ask(["TESSERA_ISA": set.name])
        print("instruction set \(set.name): \(set.isAvailable ? "ran" : "not on this machine")")
        if set.isAvailable {
            let best = try ask([:])
            #expect(best.status == 0 && !best.output.isEmpty)
            #expect(outcome.status == 0 && outcome.output == best.output, "\(outcome.errors)")
        } else {
            #expect(outcome.status == 2 && outcome.output.isEmpty)
            #expect(outcome.errors.contains("TESSERA_ISA is '\(set.name)', which this processor lacks"))
        }
    }

    @Test func thereAreSetsToAnswer() {
        #expect(InstructionSet.all.filter(\.isAvailable).count >= 2)
        #expect(InstructionSet.all.contains { !$0.isAvailable })
    }

    @Test(arguments: ["", "AVX2", "sse", "scalar "], ["tessera-run", "tessera-inspect", "tessera-diff"])
    func anUnknownInstructionSetIsRefused(set: String, command: String) throws {
        let bundle = try CommandTests.bundle.get()
        let arguments =
            switch command {
            case "tessera-run": [bundle, "-p", "Hello"]
            case "tessera-inspect": ["show", bundle]
            default: [bundle, bundle, "-p", "Hello"]
            }
        let outcome = try run(command, arguments: arguments, environment: ["TESSERA_ISA": set])
        #expect(outcome.status == 2 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("TESSERA_ISA is '\(set)', which is no instruction set"))
        #expect(outcome.errors.contains("scalar") && outcome.errors.contains("dotprod"))
    }

    @Test func aPlanSaysWhatAPromptTakes() throws {
        let bundle = try CommandTests.bundle.get()
        let outcome = try run(
            "tessera-inspect", "plan", bundle, "--image", "1280x960", "--image", picture, "--ctx", "8192",
            "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try JSON(parsing: Array(outcome.output.utf8))
        let pictures = try #require(report["pictures"]?.array)
        #expect(pictures.count == 2)
        let tokens = pictures.compactMap { $0["tokens"]?.int }
        #expect(tokens.reduce(0, +) == report["picture_tokens"]?.int)
        #expect(pictures[0]["patches"]?.int == (tokens.first ?? 0) * 4)
        #expect(report["coordinates"] == "thousandths")
        #expect(report["memory_bytes"]?.int ?? 0 > report["cache_bytes"]?.int ?? 0)
        let text = try run("tessera-inspect", "plan", bundle, "--image", "1280x960", "--ctx", "8192")
        #expect(text.output.contains("thousandths of the picture"))
        let refused = [
            (["--image", "1280"], 2), (["--image", "10x4000"], 3),
            (["--image", "1280x960", "--ctx", "16"], 5),
        ]
        for (arguments, status) in refused {
            let outcome = try run("tessera-inspect", arguments: ["plan", bundle] + arguments)
            #expect(outcome.status == Int32(status), "\(arguments): \(outcome.errors)")
        }
    }

    @Test func boxesNeedAPicture() throws {
        let outcome = try run("tessera-run", CommandTests.bundle.get(), "-p", "Where?", "--boxes")
        #expect(outcome.status == 2)
        let listed = try run(
            "tessera-run", CommandTests.bundle.get(), "-p", "Describe the picture.", "--image", picture,
            "--boxes",
            "--json")
        #expect(try JSON(parsing: Array(listed.output.utf8))["boxes"]?.array?.count == 0)
    }

    @Test func theDiffReportsStagesAndDivergence() throws {
        let outcome = try run(
            "tessera-diff", CommandTests.bundle.get(), CommandTests.int4.get(), "--image", picture, "-p",
            "Describe the picture.", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try JSON(parsing: Array(outcome.output.utf8))
        #expect(report["divergence"]?["mean"]?.double ?? -1 > 0)
        #expect(report["stages"]?.array?.first?["name"] == "vision.patch_embed")
        let limited = try run(
            "tessera-diff", CommandTests.bundle.get(), CommandTests.int4.get(), "--image", picture, "-p",
            "Describe the picture.", "--max-kl", "1e-9")
        #expect(limited.status == 1)
    }

    @Test func theDiffAgainstReferenceActivationsFindsTheFirstStage() throws {
        let golden = Fixtures.path("demo-pictures/scene_0.safetensors")
        let sound = try run("tessera-diff", CommandTests.bundle.get(), "--golden", golden, "--image", picture)
        #expect(sound.status == 0, "\(sound.errors)")
        let quantized = try run(
            "tessera-diff", CommandTests.int4.get(), "--golden", golden, "--image", picture)
        #expect(quantized.status == 1)
        #expect(quantized.errors.contains("image.out"))
    }

    @Test func graphsArePrinted() throws {
        for (form, sign) in [("text", "return norm"), ("json", "\"graphs\""), ("mermaid", "flowchart TD")] {
            let outcome = try run("tessera-inspect", CommandTests.bundle.get(), "--graph", form)
            #expect(outcome.status == 0)
            #expect(outcome.output.contains(sign))
        }
    }

    @Test func aTextFileIsNoPicture() throws {
        let outcome = try run(
            "tessera-run", CommandTests.bundle.get(), "--image", #filePath, "-p", "What is this?")
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("is not a JPEG, PNG, WebP"))
    }

    @Test func aPictureTooLargeIsRefusedByItsHeader() throws {
        let directory = try TemporaryDirectory()
        // The signature and the IHDR of a PNG of 50000 × 50000; its check sum is not looked at for the size.
        let header: [UInt8] =
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]
            + [0, 0, 0xC3, 0x50, 0, 0, 0xC3, 0x50, 8, 2, 0, 0, 0, 0x7B, 0x1A, 0x43, 0x5F]
        try writeFile(directory.file("huge.png"), header + [UInt8](repeating: 0, count: 64))
        let outcome = try run(
            "tessera-run", CommandTests.bundle.get(), "--image", directory.file("huge.png"), "-p",
            "What is this?")
        #expect([3, 5].contains(outcome.status), "\(outcome.errors)")
        #expect(outcome.errors.contains("huge.png"))
    }

    @Test(arguments: [100, 4096, 5000, 100_000])
    func aTruncatedBundleIsRefused(length: Int) throws {
        let directory = try TemporaryDirectory()
        let bytes = try readFile(CommandTests.int4.get())
        try writeFile(directory.file("cut.tessera"), Array(bytes.prefix(length)))
        let outcome = try run("tessera-run", directory.file("cut.tessera"), "-p", "Hello")
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("cut.tessera"))
    }

    @Test func aFlippedBitIsFoundByVerifying() throws {
        let directory = try TemporaryDirectory()
        var bytes = try readFile(CommandTests.int4.get())
        bytes[200_000] ^= 4
        try writeFile(directory.file("flipped.tessera"), bytes)
        let outcome = try run("tessera-inspect", directory.file("flipped.tessera"), "--verify")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("tensor"))
    }

    @Test func wrongUsageIsTwo() throws {
        #expect(try run("tessera-run").status == 2)
        #expect(try run("tessera-run", CommandTests.bundle.get(), "-p", "x", "--temp=-1").status == 2)
        #expect(try run("tessera-diff", CommandTests.bundle.get()).status == 2)
        #expect(try run("tessera-quantize", CommandTests.bundle.get(), "--nonsense").status == 2)
    }

    @Test func whatIsNotThereIsFour() throws {
        #expect(try run("tessera-run", "/nowhere.tessera", "-p", "x").status == 4)
    }

    @Test func limitsAreFive() throws {
        let memory = try run("tessera-run", CommandTests.bundle.get(), "-p", "x", "--memory-limit", "1K")
        #expect(memory.status == 5)
        let context = try run("tessera-run", CommandTests.bundle.get(), "-p", "What is this?", "-c", "4")
        #expect(context.status == 5)
    }

    @Test func aQuantizedBundleIsNotQuantizedAgain() throws {
        let directory = try TemporaryDirectory()
        let outcome = try run(
            "tessera-quantize", CommandTests.int4.get(), "-o", directory.file("out"), "--recipe", "int8")
        #expect(outcome.status == 3)
        #expect(outcome.errors.contains("full precision"))
    }

    @Test func helpIsZero() throws {
        let commands = try Path.list(Fixtures.path("../../Sources")).filter { $0.hasPrefix("tessera-") }
        #expect(commands.count >= 10)
        for command in commands {
            let outcome = try run(command, "--help")
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("USAGE: \(command) "))
        }
    }
}
