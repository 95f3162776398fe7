import Accuracy
public import ArgumentParser
import BundleCommands
import Bundles
import CommandSupport
import FloatProducts
import Prompts
public import Runtime
import Storage
import Tessera
import Threads

@main struct Diff: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-diff",
        abstract: "Show what quantization cost, and where.",
        discussion: """
            The weights of two bundles, nothing run:  tessera-diff BASE OTHER
            Two bundles on a prompt with pictures:   tessera-diff BASE OTHER --image photo.jpg -p "What is this?"
            Two bundles over a text:                 tessera-diff BASE OTHER --text book.txt --ctx 512
            A bundle against reference activations:  tessera-diff MODEL --golden case.safetensors
            Questions with known answers:            tessera-diff MODEL [OTHER] --answers answers.json
            A bundle made anew and compared:         tessera-diff CHECKPOINT BUNDLE --verify

            A side is a bundle, a checkpoint's folder, or a model in GGUF (its text part's file, or a folder with both \
            parts). What is no bundle is converted first, weights as they are, into a file without a name where TMPDIR \
            says; nothing is written beside it.
            A page of a report that was kept:        tessera-diff --from report.json --html report.html

            KL divergences are KL(BASE || OTHER) in nats. Exit code 1 when a limit given is exceeded, and whenever values
            of a run are not finite, nothing was compared, a reference was left over, or no answer is right.
            """)

    @Argument(help: "The model to measure against.")
    var base: String?

    @Argument(help: "The model that is measured.")
    var other: String?

    @OptionGroup(title: "What both are run over") var evaluation: EvaluationOptions

    @Option(
        name: [.customLong("reference"), .customLong("golden")],
        help: "A safetensors file of reference activations, such as docs/reference_dump.py makes.")
    var golden: String?

    @Flag(help: "Make every tensor of a bundle anew from its checkpoint, and compare.")
    var verify = false

    @Option(help: "A JSON file of pictures, questions and right answers.")
    var answers: String?

    @OptionGroup(title: "Limits") var limits: GateOptions

    @Option(name: [.short, .long], help: "Threads to use.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Option(help: "Keys and values in f16, f32 or i8.")
    var cacheType: KeyValueCache.Precision = .float32

    @OptionGroup var reports: ReportOptions

    @Option(help: "Run nothing: make the report of this file, which --json wrote.")
    var from: String?

    @OptionGroup var reading: ReadingOptions

    @Flag(
        name: [.short, .long], help: "List every stage, not only whole blocks; every weight, not only roles.")
    var verbose = false

    mutating func validate() throws {
        let modes = [evaluation.runs, golden != nil, answers != nil, verify].count { $0 }
        guard from == nil else {
            guard base == nil, reports.wantsMore || reports.json else {
                throw ValidationError(
                    "--from runs nothing: give --markdown, --junit or --html, and no model")
            }
            return
        }
        guard base != nil else { throw ValidationError("give a model") }
        guard modes <= 1 else {
            throw ValidationError(
                "give --prompt, --text or --data, or one of --reference, --answers and --verify, or none")
        }
        guard other != nil || golden != nil || answers != nil else {
            throw ValidationError("give a second model")
        }
        guard golden == nil || other == nil else {
            throw ValidationError("--reference compares one model")
        }
        if let option = evaluation.withoutRun {
            throw ValidationError("\(option) is for --prompt, --text and --data")
        }
        guard evaluation.image.isEmpty || evaluation.prompt != nil || golden != nil else {
            throw ValidationError("--image is for --prompt and --reference")
        }
        try validateLimits()
    }

    private func validateLimits() throws {
        if let option = limits.needRun, !evaluation.runs, golden == nil || option == "--min-top1" {
            throw ValidationError(
                "\(option) is for --prompt, --text and --data: nothing else compares what it limits")
        }
        guard limits.maxAccuracyDrop == nil || other != nil && (answers != nil || !evaluation.data.isEmpty)
        else {
            throw ValidationError("--max-accuracy-drop is for --answers or --data, of two models")
        }
        let others = [limits.maxWeightError != nil, limits.minSqnr != nil, limits.baseline != nil]
        guard !others.contains(true) || golden == nil && !verify && other != nil else {
            throw ValidationError("--max-weight-error, --min-sqnr and --baseline are for two models")
        }
        let outputs = [reports.junitPath, reports.htmlPath].compactMap { $0 }
        guard Set(outputs).isDisjoint(with: evaluation.kept)
        else {
            throw ValidationError("--resume and --keep-base need files of their own")
        }
        guard !reports.wantsMore || golden == nil && !verify && other != nil else {
            throw ValidationError("--markdown, --junit and --html are for two models, or --from")
        }
    }

    mutating func execute() throws(Failure) {
        if let from { return try reports.render(from) }
        guard let base else { return }
        if let golden { return try compareGolden(try open(base), golden) }
        if let other {
            return try verify ? self.verify(base, other) : compare(base, other)
        }
        if let answers { try count(try open(base), answers) }
    }

    /// Compares two models: their weights, and what they foretell or answer where something is given to run.
    private func compare(_ basePath: String, _ otherPath: String) throws(Failure) {
        let inputs =
            try GivenSide(basePath).files + GivenSide(otherPath).files + evaluation.inputs()
            + [answers, limits.baseline].compactMap { $0 }
        let places = try reports.places(inputs: inputs + evaluation.kept)
        let baseline = try limits.baseline.map { (path) throws(Failure) in try Baseline(path) }
        let (base, other) = (try side(basePath), try side(otherPath))
        var document = try ComparisonDocument(
            base: base, other: other, weights: try weights(base, other))
        var text: [String] = []
        var faults: [Failure] = []
        if evaluation.runs {
            do throws(Failure) {
                text.append(try run(&document, inputs))
            } catch {
                // Weights, graphs and settings often say why two models cannot be run side by side.
                guard error.kind == .mismatch, let first = document.findings.first else { throw error }
                faults.append(Failure(.mismatch, "\(error.message): \(first.words)"))
            }
            faults += [document.run?.nonFinite].compactMap { $0 }
        } else if let answers {
            let comparison = try self.answers(try model(base), try model(other), answers)
            document.answers = comparison
            faults += [comparison.base.failure, comparison.other.failure].compactMap { $0 }
        }
        if let answers = document.answers {
            text.append(AnswerReport(allAnswers: verbose).report(answers))
        }
        document.gates = limits.gates(
            weights: document.weights, run: document.run, answers: document.answers)
        if let baseline { document.gates += try baseline.gates(document.json) }
        try report(document, text, places)
        try fail(faults + document.gates.compactMap(\.failure))
    }

    private func report(
        _ document: ComparisonDocument, _ text: [String], _ places: ReportOptions.Places
    ) throws(Failure) {
        try reports.write(document.json, to: places)
        guard !reports.json && !reports.markdown else { return }
        Console.print(document.verdict)
        let findings = document.findings
        if !findings.isEmpty { Console.print("\n" + WeightReport.text(findings)) }
        for gate in document.gates { Console.print("\(gate.passed ? "kept" : "FAILED"): \(gate.words)") }
        if text.isEmpty || verbose {
            WeightReport(document.weights).print(allTensors: verbose)
        }
        for block in text { Console.print("\n" + block) }
    }

    /// Runs both sides, and gives the tables.
    private func run(
        _ document: inout ComparisonDocument, _ inputs: [String]
    ) throws(Failure) -> String {
        let (base, other) = (try model(document.base), try model(document.other))
        let run = try self.run(base, other, inputs)
        document.run = run
        let parts = RunDocument(run, base: base, other: other)
        (document.runMembers, document.memory) = (try parts.members(), try parts.memory())
        document.answers = try run.answers(base, other)
        return try RunReport(
            run, base: base, other: other, allStages: verbose, findings: document.findings
        ).text()
    }

    private func run(_ base: Model, _ other: Model, _ inputs: [String]) throws(Failure) -> RunComparison {
        let progress = SampleProgress()
        defer { progress.finish() }
        let set = try evaluation.set(base, progress)
        var options = RunComparison.Options(answerTokens: evaluation.maxTokens)
        if evaluation.attribute { options.attributionTokens = evaluation.attributionTokens }
        return try RunComparison(
            base: base, other: other, set, kept: try evaluation.kept(base, set, progress), options: options,
            journal: try evaluation.journal(base, other, set, inputs: inputs)
        ) { (state) throws(Failure) in progress.show(state.done, state.total, state.step) }
    }

    private func side(_ path: String) throws(Failure) -> Bundle {
        try GivenSide(path).open(reading.options, threads: threads)
    }

    private func open(_ path: String) throws(Failure) -> Model { try model(try side(path)) }

    private func model(_ bundle: Bundle) throws(Failure) -> Model {
        let model = try Model(
            bundle, .init(threads: threads, cachePrecision: cacheType, largeProduct: .openBLAS()))
        if let warning = model.prompt.template.warning { Console.warn("\(bundle.path): \(warning)") }
        return model
    }

    private func weights(_ base: Bundle, _ other: Bundle) throws(Failure) -> WeightComparison {
        let progress = Progress(total: 0)
        defer { progress.finish() }
        return try WeightComparison(base: base, other: other, try ThreadPool(threads: threads)) {
            (done, total) throws(Failure) in progress.show("weight \(done + 1) of \(total)")
        }
    }

    private func answers(
        _ base: Model, _ other: Model, _ path: String
    ) throws(Failure) -> AnswerComparison {
        try AnswerComparison(
            try AnswerCount(base, file: path, maximumTokens: evaluation.maxTokens),
            try AnswerCount(other, file: path, maximumTokens: evaluation.maxTokens))
    }

    /// Counts one model's right answers.
    private func count(_ model: Model, _ path: String) throws(Failure) {
        let count = try AnswerCount(model, file: path, maximumTokens: evaluation.maxTokens)
        DiffReport(json: reports.json, allStages: verbose).print(count)
        try fail([count.failure].compactMap { $0 })
    }

    private func compareGolden(_ model: Model, _ path: String) throws(Failure) {
        var visuals: [PreparedPrompt.Visual] = []
        for path in evaluation.image { visuals.append(.init(.image, try model.picture(path))) }
        let comparison = try GoldenComparison(model, file: path, visuals: visuals)
        let tolerance = limits.maxRelError ?? 1e-3
        let faults = comparison.faults(tolerance) + limits.gates(comparison).compactMap(\.failure)
        DiffReport(json: reports.json, allStages: true).print(comparison, tolerance: tolerance, faults)
        try fail(faults.map { $0.located(in: path) })
    }

    /// Ends the comparison with all that speaks against it.
    private func fail(_ faults: [Failure]) throws(Failure) {
        guard let first = faults.first else { return }
        throw faults.count == 1
            ? first : Failure(.mismatch, faults.map(\.description).joined(separator: "; "))
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
