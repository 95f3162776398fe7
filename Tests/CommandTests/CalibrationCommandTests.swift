import Bundles
import Storage
import TestSupport
import Testing

/// Calibrating the demo model and quantizing it by what was found.
@Suite(.serialized) struct CalibrationCommandTests {
    private let directory: TemporaryDirectory
    private let model: String

    init() throws {
        directory = try TemporaryDirectory()
        model = directory.file("model.tessera")
        let outcome = try run("tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "-o", model)
        try #require(outcome.status == 0, "\(outcome.errors)")
        try writeFile(
            directory.file("text.txt"),
            Array(String(repeating: "What colour is the circle? ", count: 99).utf8))
    }

    private func calibrate(_ name: String, _ arguments: String...) throws -> Outcome {
        try run(
            "tessera-calibrate",
            arguments: [
                model, "--data", directory.file("text.txt"), "-o", directory.file(name), "--window", "32",
                "--tokens", "256",
            ] + arguments)
    }

    @Test func bytesDependOnNothingElse() throws {
        #expect(try calibrate("one.cal", "-t", "1").status == 0)
        #expect(try calibrate("two.cal", "-t", "2").status == 0)
        #expect(try readFile(directory.file("one.cal")) == readFile(directory.file("two.cal")))
        for threads in ["1", "2"] {
            let outcome = try run(
                "tessera-quantize", model, "--calibration", directory.file("one.cal"), "--bits", "7.5", "-o",
                directory.file("q\(threads).tessera"), "-t", threads)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let (one, two) = (directory.file("q1.tessera"), directory.file("q2.tessera"))
        #expect(try readFile(one) == readFile(two))
        let answer = try run(
            "tessera-run", one, "-p", "What colour is the circle?", "--image",
            Fixtures.path("demo-pictures/" + firstPicture()), "-n", "4")
        #expect(answer.status == 0 && !answer.output.isEmpty, "\(answer.errors)")
    }

    private func firstPicture() throws -> String {
        try #require(try Path.list(Fixtures.path("demo-pictures")).first { $0.hasSuffix(".png") })
    }

    @Test func whatDoesNotFitIsRefused() throws {
        #expect(try calibrate("cal", "--no-sensitivity").status == 0)
        let cal = directory.file("cal")
        func quantize(_ arguments: String...) throws -> Outcome {
            try run("tessera-quantize", arguments: [model, "-o", directory.file("out.tessera")] + arguments)
        }
        let blind = try quantize("--calibration", cal, "--bits", "5")
        #expect(blind.status == 2 && blind.errors.contains("no sensitivities"), "\(blind.errors)")
        for asking in [["--bits", "5"], ["--recipe", "int4-best"]] {
            let without = try run(
                "tessera-quantize", arguments: [model, "-o", directory.file("out.tessera")] + asking)
            #expect(without.status == 2 && without.errors.contains("needs a calibration file"))
        }
        let wrong = try quantize("--calibration", model, "--bits", "5")
        #expect(wrong.status == 3 && wrong.errors.contains("is no calibration file"))
        #expect(try calibrate("full.cal").status == 0)
        let little = try quantize("--calibration", directory.file("full.cal"), "--fit", "100K")
        #expect(little.status == 5 && little.errors.contains("even the smallest formats take"))
        let memory = try quantize("--calibration", directory.file("full.cal"), "--fit-memory", "100K")
        #expect(memory.status == 5 && memory.errors.contains("of memory"), "\(memory.errors)")
        // The file is not a model.
        let asModel = try run("tessera-run", cal, "-p", "?")
        #expect(asModel.status == 3, "\(asModel.errors)")
    }

    private func plan(_ cal: String, _ arguments: String...) throws -> (text: Outcome, json: JSON) {
        let all = [model, "--calibration", directory.file(cal), "--dry-run"] + arguments
        let outcome = try run("tessera-quantize", arguments: all + ["--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return (try run("tessera-quantize", arguments: all), try JSON(parsing: Array(outcome.output.utf8)))
    }

    /// A set of texts tells nothing of the vision tower: the plan says so, and expects nothing of it.
    @Test func whatWasNotProbedIsSaid() throws {
        let calibrated = try calibrate("cal")
        #expect(calibrated.errors.contains("probed 8 samples, 256 tokens: text 8"), "\(calibrated.errors)")
        let (text, json) = try plan("cal", "--bits", "7.5")
        let roles = try #require(json["roles"]?.array)
        for line in roles {
            let name = try #require(line["roles"]?.string)
            let isVision = name.hasPrefix("vision.")
            #expect((line["not_probed"]?.int ?? 0 > 0) == isVision, "\(name)")
            guard name != "norms, biases" else { continue }
            #expect((line["expected_kl"]?.double == nil) == isVision, "\(name)")
        }
        let rows = text.output.split(separator: "\n").filter { $0.hasPrefix("vision.") }
        #expect(!rows.isEmpty && rows.allSatisfy { $0.hasSuffix("not probed") }, "\(text.output)")
        #expect(text.output.contains("weights that were not probed"))
        #expect(text.output.contains("weights were not probed: the recipe 'int4' chooses their formats"))
        #expect(json["not_probed"]?.int ?? 0 > 0)
    }

    /// The average is what was asked for, within 0.02 bits, or it is said why not.
    @Test func bitsAreSpent() throws {
        try writeQuestions("questions.jsonl")
        let calibrated = try run(
            "tessera-calibrate", model, "--data", directory.file("questions.jsonl"), "-o",
            directory.file("cal"), "--light")
        #expect(calibrated.status == 0, "\(calibrated.errors)")
        for bits in [4.7, 4.9, 5.33, 6, 7, 8, 8.5] {
            let (text, json) = try plan("cal", "--bits", "\(bits)")
            let target = try #require(json["target"])
            let left = bits - (json["effective_bits"]?.double ?? 99)
            #expect(left >= 0 && left <= 0.02 && target["shortfall"]?.string == nil, "\(bits): \(left)")
            #expect(text.output.contains("asked for \(bits) bits a weight"), "\(text.output)")
        }
        let most = try plan("cal", "--bits", "16")
        #expect(most.json["target"]?["shortfall"]?.string?.contains("the best format that there is") == true)
        #expect(most.text.output.contains("the best format that there is"))
    }

    @Test func budgetsAreBounded() throws {
        #expect(try calibrate("cal", "--light").status == 0)
        let cases: [(status: Int32, arguments: [String])] = [
            (2, ["--bits", "nan"]), (2, ["--bits", "inf"]), (2, ["--bits", "-1"]), (2, ["--bits", "0.1"]),
            (2, ["--bits", "1e9"]), (2, ["--bits", "1e999"]), (5, ["--bits", "1"]), (5, ["--fit", "0"]),
            (2, ["--fit", "nan"]), (0, ["--fit", "8000000T"]), (2, ["--fit", "99999999999999999999"]),
            (5, ["--fit-memory", "0"]), (2, ["--fit-memory", "9M", "--ctx", "9223372036854775807"]),
            (5, ["--fit-memory", "9M", "--ctx", "16777216"]),
            (5, ["--fit-memory", "9M", "--image", "1048576x1048576"]),
        ]
        for (status, arguments) in cases {
            let outcome = try run(
                "tessera-quantize",
                arguments: [model, "--calibration", directory.file("cal"), "--dry-run"] + arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.status) \(outcome.errors)")
            #expect(status == 0 || !outcome.errors.isEmpty)
        }
    }

    @Test(arguments: [
        ["--answers", "9223372036854775807"], ["--answers", "-1"], ["--tokens", "9223372036854775807"],
        ["--window", "9223372036854775807"], ["--window", "0"], ["-t", "0"], ["-t", "100000"],
        ["--tokens", "nan"],
    ])
    func sizesOfSetsAreBounded(arguments: [String]) throws {
        let outcome = try run(
            "tessera-calibrate",
            arguments: [model, "--data", directory.file("text.txt"), "-o", directory.file("cal")] + arguments)
        #expect(outcome.status == 2 && !outcome.errors.isEmpty, "\(outcome.status): \(outcome.errors)")
    }

    /// An answer ends where the model's context does.
    @Test func longAnswersAreCutToTheContext() throws {
        let line = #"{"messages": [{"role": "user", "content": "What colour is the circle?"}]}"#
        try writeFile(directory.file("ask.jsonl"), Array(line.utf8))
        let outcome = try run(
            "tessera-calibrate", model, "--data", directory.file("ask.jsonl"), "-o", directory.file("cal"),
            "--answers", "16777216", "--light", "--no-sensitivity")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let sample = try #require(try metadata()["set"]?.array?.first)
        let (count, answer) = (sample["tokens"]?.array?.count, sample["answers"]?.array?.last?.ints)
        #expect(answer?.last == count && count ?? 0 <= 2048)
    }

    /// Which tokens are answers is kept: those of every turn of the model, each with the token that ends it.
    @Test func answersAreFound() throws {
        let messages = ["What colour?", "red", "How many?", "three"].enumerated().map { index, text in
            #"{"role": "\#(index % 2 == 0 ? "user" : "assistant")", "content": "\#(text)"}"#
        }
        let line = #"{"messages": ["# + messages.joined(separator: ", ") + "]}"
        try writeFile(directory.file("talk.jsonl"), Array(line.utf8))
        #expect(try calibrate(on: directory.file("talk.jsonl"), options: "--light").status == 0)
        let sample = try #require(try metadata()["set"]?.array?.first)
        let tokens = try #require(sample["tokens"]?.ints)
        let spans = try #require(sample["answers"]?.array).compactMap(\.ints)
        let end = try #require(
            try Fixtures.json("demo-qwen2-vl/tokenizer.json")["added_tokens"]?.array?.first {
                $0["content"] == "<|im_end|>"
            }?["id"]?.int)
        #expect(spans.count == 2)
        for span in spans {
            #expect(tokens[span[1] - 1] == end && !tokens[span[0]..<span[1] - 1].contains(end))
        }
        // The last turn is followed by a line break, no more.
        #expect(spans.last?[1] == tokens.count - 1)
    }

    /// A rule that can never apply is refused by whatever takes a recipe, and names itself.
    @Test func idleRulesAreRefused() throws {
        let file = directory.file("r.json")
        try writeFile(
            file,
            Array(
                #"{"name": "r", "rules": [{"roles": "text.*", "encoding": "keep"}, {"roles": "text.mlp.*", "encoding": {"bits": 4, "group": 32}}]}"#
                    .utf8))
        let out = directory.file("out.tessera")
        for outcome in [
            try run("tessera-quantize", model, "--recipe", file, "-o", out),
            try run(
                "tessera-from-qwen2-vl", Fixtures.path("demo-qwen2-vl"), "--quantize", file, "-o", out),
        ] {
            #expect(outcome.status == 3, "\(outcome.errors)")
            #expect(outcome.errors.contains("r.json") && outcome.errors.contains("rules[1]"))
        }
    }

    /// What a larger context and a larger picture take is left to the weights no more.
    @Test func aPlanFitsIntoMemory() throws {
        #expect(try calibrate("cal").status == 0)
        func plan(_ arguments: String...) throws -> JSON {
            let outcome = try run(
                "tessera-quantize",
                arguments: [model, "--calibration", directory.file("cal"), "--dry-run", "--json"] + arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try JSON(parsing: Array(outcome.output.utf8))
        }
        let plans = [
            try plan("--fit-memory", "14M", "--ctx", "512"),
            try plan("--fit-memory", "14M", "--ctx", "4096"),
            try plan("--fit-memory", "14M", "--ctx", "4096", "--image", "448x448"),
        ]
        let bytes = plans.compactMap { $0["bytes"]?.int }
        #expect(bytes.count == 3 && bytes == bytes.sorted(by: >) && Set(bytes).count > 1, "\(bytes)")
        // Fewer bytes are expected to cost more.
        let costs = plans.compactMap { $0["expected_kl"]?.double }
        #expect(costs.count == 3 && costs == costs.sorted() && costs[0] > 0, "\(costs)")
        let roles = try #require(plans[0]["roles"]?.array)
        #expect(roles.reduce(0) { $0 + ($1["bytes"]?.int ?? 0) } == bytes[0])
    }

    /// Killed again and again, at whatever moment, a run ends with the bytes of one that was left alone.
    @Test func killedRunsGoOn() throws {
        func finish(_ command: String, _ arguments: [String], _ output: String) throws {
            for attempt in 1...400 {
                let outcome = try run(command, arguments: arguments, killAfter: 0.02 * Double(attempt))
                // Killed after its last step, a run has left what it was to make.
                if outcome.status != -9 || Path.exists(output) {
                    #expect([0, -9].contains(outcome.status), "\(outcome.errors)")
                    return
                }
            }
            Issue.record("never ends")
        }
        #expect(try calibrate("whole.cal").status == 0)
        let data = [
            "--data", directory.file("text.txt"), "--window", "32", "--tokens", "256", "-o",
            directory.file("killed.cal"),
        ]
        try finish("tessera-calibrate", [model] + data, directory.file("killed.cal"))
        let (whole, killed) = (directory.file("whole.cal"), directory.file("killed.cal"))
        #expect(try readFile(whole) == readFile(killed))
        func arguments(_ name: String) -> [String] {
            [model, "--calibration", whole, "--bits", "7.5", "-o", directory.file(name)]
        }
        try finish("tessera-quantize", arguments("killed"), directory.file("killed"))
        #expect(try run("tessera-quantize", arguments: arguments("whole")).status == 0)
        #expect(try readFile(directory.file("killed")) == readFile(directory.file("whole")))
    }

    @Test func aFileOfAnotherModelIsRefused() throws {
        #expect(try calibrate("cal", "--no-sensitivity").status == 0)
        let other = directory.file("other.tessera")
        #expect(
            try run("tessera-from-qwen2-vl", Fixtures.path("qwen2-vl/published"), "-o", other).status == 0)
        let outcome = try run(
            "tessera-quantize", other, "--calibration", directory.file("cal"), "-o",
            directory.file("out.tessera"))
        #expect(outcome.status == 3 && outcome.errors.contains("another model"), "\(outcome.errors)")
    }

    private func calibrate(on data: String..., options: String...) throws -> Outcome {
        try run(
            "tessera-calibrate",
            arguments: [model, "--data"] + data + [
                "-o", directory.file("cal"), "--no-sensitivity", "--force",
            ]
                + options)
    }

    private func metadata() throws -> JSON { try Bundle(directory.file("cal")).metadata }

    /// The set that ships needs no file, and nothing is to be said against it.
    @Test func theDefaultSetShips() throws {
        let whole = try calibrate(on: "default")
        #expect(whole.status == 0 && !whole.errors.contains("warning"), "\(whole.errors)")
        #expect(
            whole.output.contains("99 samples") && whole.output.contains("33 pictures"), "\(whole.output)")
        #expect(try metadata()["data"]?.strings == ["default"])
        #expect(try metadata()["warnings"]?.array == [])
        // It goes together with other files; where it is short of room some of each kind is left.
        let both = try calibrate(on: directory.file("text.txt"), "default", options: "--tokens", "6000")
        #expect(both.status == 0, "\(both.errors)")
        let samples = try #require(try metadata()["set"]?.array)
        let pictures = samples.count { $0["visuals"]?.array?.isEmpty == false }
        #expect(pictures >= 2 && samples.count >= 3 * pictures)
        // A file of that name is named with its folder.
        let file = try calibrate(on: "./default")
        #expect(file.status == 2 && file.errors.contains("of a kind"), "\(file.errors)")
    }

    /// Of the set that ships, what is too long for the model is left out; of others it is an error.
    @Test func whatIsTooLong() throws {
        let copy = try CheckpointCopy()
        try copy.replace("embeddings\": 2048", by: "embeddings\":  640", in: "config.json")
        #expect(try copy.convert().status == 0)
        func calibrate(_ data: String) throws -> Outcome {
            try run(
                "tessera-calibrate", copy.directory.file("out.tessera"), "--data", data, "--tokens", "4000",
                "-o", directory.file("cal"), "--no-sensitivity", "--force")
        }
        let shipped = try calibrate("default")
        #expect(shipped.status == 0 && shipped.errors.contains("were left out"), "\(shipped.errors)")
        let own = try calibrate(Fixtures.path("../../Sources/CDefaultSet/set"))
        #expect(own.status == 5 && own.errors.contains("the model takes 640"), "\(own.errors)")
        #expect(own.errors.contains("code.jsonl"))
    }

    @Test func aPoorSetIsWarnedOf() throws {
        let text = try calibrate(on: directory.file("text.txt"), options: "--tokens", "256", "--window", "32")
        #expect(
            text.status == 0 && text.errors.contains("warning: the set has no pictures"), "\(text.errors)")
        #expect(text.errors.contains("with 256 of 384: their second moments are singular"))
        let rules = try #require(try metadata()["warnings"]?.array).map { $0["rule"]?.string }
        #expect(rules == ["no_pictures", "few_rows"])
        let light = try calibrate(
            on: directory.file("text.txt"), options: "--tokens", "256", "--window", "32", "--light")
        #expect(light.status == 0 && !light.errors.contains("singular"), "\(light.errors)")
    }

    @Test func anEmptySetIsRefused() throws {
        try writeFile(directory.file("text.txt"), Array("Too short.".utf8))
        let outcome = try calibrate("cal")
        #expect(outcome.status == 3 && outcome.errors.contains("set is empty"), "\(outcome.errors)")
    }

    /// A set of questions about pictures, of which `change` makes what a test wants of each line.
    private func writeQuestions(_ name: String, _ change: (String) -> String = { $0 }) throws {
        let entries = try #require(try Fixtures.json("demo-pictures/answers.json").array)
        let lines = entries.prefix(12).map { entry in
            let image = JSON.string(Fixtures.path("demo-pictures/\(entry["image"]?.string ?? "")"))
            let content = JSON.array([
                .pairs(["type": "image", "image": image]),
                .pairs(["type": "text", "text": entry["question"] ?? ""]),
            ])
            let messages = JSON.array([
                .pairs(["role": "user", "content": content]),
                .pairs(["role": "assistant", "content": entry["answer"] ?? ""]),
            ])
            return change(JSON.pairs(["messages": messages]).serialized())
        }
        try writeFile(directory.file(name), Array(lines.joined(separator: "\n").utf8))
    }

    /// With pictures in the set the vision tower takes part, and goes below 8 bits.
    @Test func picturesCalibrateTheVisionTower() throws {
        try writeQuestions("questions.jsonl")
        let calibrated = try run(
            "tessera-calibrate", model, "--data", directory.file("questions.jsonl"), "-o",
            directory.file("cal"))
        #expect(calibrated.status == 0 && calibrated.output.contains("12 pictures"), "\(calibrated.errors)")
        let quantized = try run(
            "tessera-quantize", model, "--calibration", directory.file("cal"), "--bits", "5.5", "-o",
            directory.file("small.tessera"), "--json")
        #expect(quantized.status == 0, "\(quantized.errors)")
        let tensors = try #require(try JSON(parsing: Array(quantized.output.utf8))["tensors"]?.array)
        let towers = tensors.filter { $0["name"]?.string?.hasPrefix("vision.") == true }
        #expect(towers.contains { $0["encoding"]?.string?.hasPrefix("int4") == true })
        // Feedback and descent lower what each step before left.
        for tensor in tensors {
            guard let error = tensor["output_error"], let search = error["search"]?.double,
                let gptq = error["gptq"]?.double, let final = error["final"]?.double
            else { continue }
            #expect(final <= gptq * 1.001 && gptq < search * 1.2, "\(tensor.serialized())")
        }
        let answers = try run(
            "tessera-diff", directory.file("small.tessera"), "--answers",
            Fixtures.path("demo-pictures/answers.json"), "--json")
        let right = try #require(try JSON(parsing: Array(answers.output.utf8))["right"]?.int)
        #expect(right >= 44)
    }

    /// Every step that a recipe may ask for, on a model whose vision tower has biases: what comes out still answers.
    @Test func stepsLeaveTheAnswersRight() throws {
        try writeQuestions("questions.jsonl")
        let cal = directory.file("cal")
        let calibrated = try run(
            "tessera-calibrate", model, "--data", directory.file("questions.jsonl"), "-o", cal,
            "--no-sensitivity")
        #expect(calibrated.status == 0, "\(calibrated.errors)")
        let recipe =
            #"{"name": "s", "rules": [], "default": {"encoding": {"bits": 8, "group": 32}}, "steps": "#
        try writeFile(
            directory.file("r.json"),
            Array((recipe + #"["turn-residual", "fold", "turn-heads", "correct-biases"]}"#).utf8))
        let made = directory.file("steps.tessera")
        let quantized = try run(
            "tessera-quantize", model, "--calibration", cal, "--recipe", directory.file("r.json"), "-o", made,
            "--json")
        #expect(quantized.status == 0 && quantized.errors.contains("fold: helps at"), "\(quantized.errors)")
        #expect(
            quantized.errors.contains("turn-residual: finds no place: 'text.embedding.weight' is used more"))
        let steps = try #require(try JSON(parsing: Array(quantized.output.utf8))["steps"]?.array)
        #expect(steps.map { $0["step"]?.string } == ["turn-residual", "fold", "turn-heads"])
        for step in steps {
            let figures = [step["kl_with"], step["kl_without"]].compactMap { $0?.double }
            #expect(figures.isEmpty == (step["helps"]?.int == 0))
            #expect(step["kept"]?.bool == (figures.count == 2 && figures[0] < figures[1]))
        }
        let answers = try run(
            "tessera-diff", made, "--answers", Fixtures.path("demo-pictures/answers.json"), "--json")
        let right = try #require(try JSON(parsing: Array(answers.output.utf8))["right"]?.int)
        #expect(right >= 46)
        let blind = try run(
            "tessera-quantize", model, "--recipe", directory.file("r.json"), "-o", directory.file("none"))
        #expect(blind.status == 2 && blind.errors.contains("need a calibration file"), "\(blind.errors)")
    }

    @Test(arguments: [
        (#""role":"user""#, #""role":"robot""#, "whose role"), ("image", "imagine", "of type 'imagine'"),
        (".png", ".gone", "No such file"), ("{", "[", "line 1"),
        ("scene_0.png", "answers.json", "line 1"),
    ])
    func whatCannotBeReadIsNamed(original: String, replacement: String, words: String) throws {
        try writeQuestions("bad.jsonl") { line in
            line.split(separator: original, omittingEmptySubsequences: false).joined(separator: replacement)
        }
        let outcome = try run(
            "tessera-calibrate", model, "--data", directory.file("bad.jsonl"), "-o", directory.file("cal"))
        #expect((3...4).contains(outcome.status), "\(outcome.errors)")
        #expect(outcome.errors.contains("bad.jsonl") && outcome.errors.contains(words), "\(outcome.errors)")
    }
}
