import Storage
import TestSupport
import Testing

/// A gate passes on something that was compared, or not at all.
@Suite struct GateTests {
    private static let directory = Result { try TemporaryDirectory() }
    private static let demo = Result { try convert("demo-qwen2-vl") }
    private static let random = Result { try convert("qwen2-vl/published") }

    private static func convert(_ fixture: String) throws -> String {
        let path = try directory.get().file(fixture.prefix { $0 != "/" } + ".tessera")
        let outcome = try run("tessera-from-qwen2-vl", Fixtures.path(fixture), "-o", path)
        guard outcome.status == 0 else { throw Failure.badInput(outcome.errors) }
        return path
    }

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Compares with the golden text of the random model, changed.
    private func golden(
        _ arguments: [String] = [], _ change: ([TestTensor]) -> [TestTensor]
    ) throws -> Outcome {
        let path = directory.file("changed.safetensors")
        try writeSafetensors(
            change(try readSafetensors(Fixtures.path("qwen2-vl/golden/text.safetensors"))), to: path)
        return try run(
            "tessera-diff", arguments: [try Self.random.get(), "--golden", path] + arguments)
    }

    private func expect(_ outcome: Outcome, _ status: Int32, _ words: String, line: Int = #line) {
        #expect(outcome.status == status, "line \(line): \(outcome.errors)")
        #expect(outcome.errors.contains(words), "line \(line): \(outcome.errors)")
    }

    @Test func aReferenceThatIsReachedPasses() throws {
        let outcome = try golden(["--max-kl", "1e-6"]) { $0 }
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("stages are within"))
    }

    @Test func aReferenceOfNothingFails() throws {
        let foreign = TestTensor("my.layer", "F32", [2], [UInt8](repeating: 0, count: 8))
        for more in [[], [foreign]] {
            let outcome = try golden { $0.filter { $0.name == "input_ids" } + more }
            expect(outcome, 1, "nothing was compared")
            #expect(more.isEmpty || outcome.errors.contains("my.layer"))
        }
    }

    /// A name that no stage has, one of a layer that the model lacks, one of a picture that the prompt lacks.
    @Test(arguments: ["my.layer", "llm.layer9.out", "image.out", "llm.layer0.outt", "logits.1"])
    func aReferenceLeftOverFails(name: String) throws {
        let extra = TestTensor(name, "F32", [2], [UInt8](repeating: 0, count: 8))
        let outcome = try golden(["--json"]) { $0 + [extra] }
        expect(outcome, 1, name)
        let report = try JSON(parsing: Array(outcome.output.utf8))
        #expect(report["not_compared"]?.strings == [name])
        #expect(report["faults"]?.strings?.count == 1)
    }

    /// What the reference implementation has of its own is no stage.
    @Test func auxiliariesAreLeftAlone() throws {
        let bytes = [UInt8](repeating: 0, count: 8)
        let names = [
            "llm.rope_cos", "generate.logits", "llm.layer0.in", "image.cu_seqlens", "image.merger_raw",
        ]
        let outcome = try golden { $0 + names.map { TestTensor($0, "F32", [2], bytes) } }
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test(arguments: ["llm.norm", "logits_last"], [-1, 1])
    func everyValueMustBeThere(name: String, change: Int) throws {
        let outcome = try golden { tensors in
            tensors.map { tensor in
                guard tensor.name == name else { return tensor }
                let bytes = change < 0 ? Array(tensor.bytes.dropLast(4)) : tensor.bytes + [0, 0, 0, 0]
                return TestTensor(name, tensor.type, [bytes.count / 4], bytes)
            }
        }
        expect(outcome, 1, "values where the model computed")
    }

    @Test func greedyTokensAndPositionsMustAgree() throws {
        for (name, words) in [
            ("greedy.ids", "greedy tokens differ from number 3"), ("position_ids_legacy", "positions differ"),
        ] {
            let outcome = try golden { tensors in
                tensors.map { tensor in
                    guard tensor.name == name else { return tensor }
                    var bytes = tensor.bytes
                    bytes[3 * 8] ^= 1
                    return TestTensor(name, tensor.type, tensor.shape, bytes)
                }
            }
            expect(outcome, 1, words)
        }
    }

    @Test(arguments: ["llm.norm", "logits_last"], [Float.nan, .infinity])
    func aReferenceMustBeFinite(name: String, value: Float) throws {
        let outcome = try golden { tensors in
            tensors.map { tensor in
                guard tensor.name == name else { return tensor }
                let bytes = withUnsafeBytes(of: value) { Array($0) } + tensor.bytes.dropFirst(4)
                return TestTensor(name, tensor.type, tensor.shape, bytes)
            }
        }
        expect(outcome, 3, name)
    }

    @Test func aDivergenceNeedsLogits() throws {
        let outcome = try golden(["--max-kl", "1"]) { $0.filter { $0.name != "logits_last" } }
        expect(outcome, 1, "no logits")
    }

    /// Limits that nothing is measured by, and limits that are none.
    @Test func gatesThatCannotCloseAreWrongUsage() throws {
        let (model, text) = (try Self.demo.get(), directory.file("text.txt"))
        try writeFile(text, Array("What colour is the circle?".utf8))
        let answers = Fixtures.path("demo-pictures/answers.json")
        let golden = Fixtures.path("qwen2-vl/golden/text.safetensors")
        let limits = ["inf", "nan", "-1", "-0.001"].flatMap { limit in
            ["--max-kl", "--max-rel-error"].map { [model, model, "-p", "Hello", "\($0)=\(limit)"] }
        }
        let calls = [
            [model, model, "--max-rel-error", "1"], [model, model, "--min-top1", "90"],
            [model, model, "--resume", "x"], [model, model, "--attribute"], [model, "--baseline", "x"],
            [model, "--answers", answers, "--max-kl", "1"],
            [model, "--answers", answers, "--max-rel-error", "1"],
            [model, "--answers", answers, "--max-accuracy-drop", "1"],
            [model, model, "-p", "Hello", "--max-accuracy-drop", "1"], [model, model, "--golden", golden],
            [model, model, "-p", "Hello", "--keep-base", "x"],
            [model, model, "--text", text, "--image", "x.png"],
        ]
        for arguments in calls + limits {
            let outcome = try run("tessera-diff", arguments: arguments)
            #expect(outcome.status == 2 && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        }
        let short = try run("tessera-diff", model, model, "--text", text)
        #expect(short.status == 3 && short.errors.contains("fewer than a window"))
    }

    @Test func aModelIsEqualToItself() throws {
        let text = directory.file("text.txt")
        try writeFile(text, Array(String(repeating: "What colour is the circle? ", count: 20).utf8))
        let model = try Self.demo.get()
        for arguments in [
            ["--text", text, "--ctx", "16"], ["-p", "Hello", "--max-rel-error", "0", "-n", "4"],
        ] {
            let outcome = try run(
                "tessera-diff", arguments: [model, model, "--max-kl", "0", "--json"] + arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let divergence = try JSON(parsing: Array(outcome.output.utf8))["divergence"]
            #expect(divergence?["mean"]?.double == 0 && divergence?["non_finite"]?.int == 0)
        }
    }

    /// One document, whatever was asked; and not one right answer fails.
    @Test func answersAreCountedInOneDocument() throws {
        let (model, folder) = (try Self.demo.get(), Fixtures.path("demo-pictures"))
        let known = try #require(try Fixtures.json("demo-pictures/answers.json").array).prefix(2)
        func ask(_ entries: [JSON], _ models: Int, json: Bool) throws -> Outcome {
            try writeFile(directory.file("answers.json"), Array(JSON.array(entries).serialized().utf8))
            return try run(
                "tessera-diff",
                arguments: Array(repeating: model, count: models)
                    + ["--answers", directory.file("answers.json")] + (json ? ["--json"] : []))
        }
        let there = Array(known)
        for name in there.compactMap({ $0["image"]?.string }) {
            try writeFile(directory.file(name), try readFile(Path.join(folder, name)))
        }
        let wrong = there.map { $0.setting("answer", to: "something else") }
        let two = try ask(there, 2, json: true)
        #expect(two.status == 0, "\(two.errors)")
        let report = try JSON(parsing: Array(two.output.utf8))
        let counts = try #require(report["answers"]?.array)
        #expect(counts.count == 2 && counts.allSatisfy { $0["right"]?.int == 2 })
        #expect(report["accuracy"]?["base_right"]?.int == 2 && report["accuracy"]?["drop"]?.double == 0)
        #expect(counts[1]["difference"]?["p_value"]?.double == 1 && counts[0]["difference"] == nil)
        let one = try ask(there, 1, json: true)
        #expect(try JSON(parsing: Array(one.output.utf8))["questions"]?.int == 2)
        for models in 1...2 {
            let none = try ask(wrong, models, json: true)
            expect(none, 1, "not one of 2 answers is right")
            _ = try JSON(parsing: Array(none.output.utf8))
        }
        expect(try ask([], 1, json: false), 3, "no list of questions")
    }

    /// A report that was kept is a limit for the next of the same samples, and nothing that is read is written.
    @Test func aBaselineIsALimit() throws {
        let (model, other) = (try Self.demo.get(), directory.file("int8.tessera"))
        let made = try run("tessera-quantize", model, "-o", other, "--recipe", "int8")
        #expect(made.status == 0, "\(made.errors)")
        let kept = directory.file("kept.json")
        func compare(_ second: String, _ prompt: String, _ more: [String] = []) throws -> Outcome {
            try run(
                "tessera-diff", arguments: [model, second, "-p", prompt, "-n", "4", "--json"] + more)
        }
        try writeFile(kept, Array(try compare(model, "Hello").output.utf8))
        #expect(try compare(model, "Hello", ["--baseline", kept]).status == 0)
        expect(try compare(other, "Hello", ["--baseline", kept]), 1, "the mean KL divergence is")
        expect(try compare(model, "Hollo", ["--baseline", kept]), 3, "other samples")
        for output in [kept, other] {
            let outcome = try compare(other, "Hello", ["--baseline", kept, "--html", output, "--force"])
            expect(outcome, 2, "is the same file as the input")
        }
        let report = try JSON(parsing: Array(compare(other, "Hello", ["--max-kl", "0"]).output.utf8))
        #expect(report["gates"]?.array?.first?["passed"] == false)
    }

    /// What is finished is not run again, and no report takes its place.
    @Test func aComparisonGoesOnFromItsFile() throws {
        let (model, kept) = (try Self.demo.get(), directory.file("finished"))
        let arguments = [model, model, "-p", "Hello", "-n", "4", "--attribute", "--json", "--resume", kept]
        let first = try run("tessera-diff", arguments: arguments)
        #expect(first.status == 0, "\(first.errors)")
        let bytes = try readFile(kept)
        #expect(bytes.count > 100)
        let again = try run("tessera-diff", arguments: arguments)
        #expect(again.status == 0, "\(again.errors)")
        #expect(try readFile(kept) == bytes)
        let (one, two) = (
            try JSON(parsing: Array(first.output.utf8)), try JSON(parsing: Array(again.output.utf8))
        )
        #expect(one["divergence"] == two["divergence"] && one["attribution"] == two["attribution"])
        expect(
            try run("tessera-diff", arguments: arguments + ["--html", kept, "--force"]), 2,
            "files of their own")
        expect(
            try run("tessera-diff", model, model, "-p", "Hollo", "-n", "4", "--resume", kept), 3,
            "another comparison")
    }

    /// Nothing is known of the answer, so there is no accuracy that could drop.
    @Test func aLimitWithoutAMeasureIsNotKept() throws {
        let (model, data) = (try Self.demo.get(), directory.file("set.jsonl"))
        let line = "{\"messages\": [{\"role\": \"user\", \"content\": \"Describe the picture.\"}]}"
        try writeFile(data, Array(line.utf8))
        let outcome = try run(
            "tessera-diff", model, model, "--data", data, "-n", "4", "--max-accuracy-drop", "5")
        expect(outcome, 1, "no question whose answer is known")
    }

    /// What was kept of a base is taken for that and nothing else, and only as it was kept.
    @Test func aKeptBaseIsChecked() throws {
        let (model, kept, text) = (
            try Self.demo.get(), directory.file("base.kept"), directory.file("text.txt")
        )
        try writeFile(text, Array(String(repeating: "What colour is the circle? ", count: 20).utf8))
        func compare(_ window: Int = 16) throws -> Outcome {
            try run(
                "tessera-diff", model, model, "--text", text, "--ctx", "\(window)", "--chunks", "2",
                "--keep-base", kept, "--max-kl", "0")
        }
        #expect(try compare().status == 0)
        #expect(try compare().status == 0)
        expect(try compare(12), 3, "another model or text")
        let whole = try readFile(kept)
        var flipped = whole
        flipped[whole.count - 3] ^= 1
        let nan = whole.dropLast(4) + [0, 0, 0xC0, 0x7F]
        for bytes in [
            Array(whole.dropLast(4)), whole + [0, 0, 0, 0], [], Array(whole.prefix(8)), flipped, Array(nan),
        ] {
            try writeFile(kept, bytes)
            expect(try compare(), 3, "base.kept")
        }
    }
}
