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

            KL divergences are KL(BASE || OTHER) in nats. Exit code 1 when a limit given is exceeded, and whenever values
            of a run are not finite, nothing was compared, a reference was left over, or no answer is right.
            """)

    @Argument(help: "The model to measure against.")
    var base: String

    @Argument(help: "The model that is measured.")
    var other: String?

    @Option(name: [.short, .long], help: "What to ask both.")
    var prompt: String?

    @Option(
        help: """
            A picture for the prompt, or of a --reference file's prompt: its pixels are compared with the file's, if it has \
            any; repeat for more.
            """)
    var image: [String] = []

    @Option(
        name: [.customShort("n"), .long], help: "Tokens of the greedy answers that are compared, at most.",
        transform: whole(Allowed.tokens))
    var maxTokens: Int = 64

    @Option(
        name: [.customLong("reference"), .customLong("golden")],
        help: "A safetensors file of reference activations, such as docs/reference_dump.py makes.")
    var golden: String?

    @Flag(help: "Make every tensor of a bundle anew from its checkpoint, and compare.")
    var verify = false

    @Option(help: "A text to compare over.")
    var text: String?

    @Option(
        name: [.customLong("ctx"), .customShort("c")],
        help: "Tokens of a window of the text; its second half is scored.",
        transform: whole(2...Allowed.tokens.upperBound))
    var window: Int = 512

    @Option(help: "Windows of the text, at most; 0 for all.", transform: whole(0...1 << 24))
    var chunks: Int = 0

    @Option(help: "Keep the base's final hidden states over the text in this file, or read them from it.")
    var keepBase: String?

    @Option(help: "A JSON file of pictures, questions and right answers.")
    var answers: String?

    @Option(
        help: "Fail when a stage is further from its reference than this, relative to its largest value.",
        transform: number(0...1e9))
    var maxRelError: Double?

    @Option(help: "Fail when the mean KL divergence is above this.", transform: number(0...1e9))
    var maxKl: Double?

    @Option(
        help:
            "Fail when a weight's relative error is above this; for two bundles compared without running them.",
        transform: number(0...1e9))
    var maxWeightError: Double?

    @Option(name: [.short, .long], help: "Threads to use.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Option(help: "Keys and values in f16 or f32.")
    var cacheType: KeyValueCache.Precision = .float32

    @Flag(help: "Report as JSON.")
    var json = false

    @OptionGroup var reading: ReadingOptions

    @Flag(
        name: [.short, .long], help: "List every stage, not only whole blocks; every weight, not only roles.")
    var verbose = false

    mutating func validate() throws {
        let modes = [prompt != nil, golden != nil, text != nil, answers != nil, verify].count { $0 }
        guard modes <= 1 else {
            throw ValidationError(
                "give one of --prompt, --reference, --text, --answers and --verify, or none")
        }
        guard other != nil || golden != nil || answers != nil else {
            throw ValidationError("give a second model")
        }
        guard maxWeightError == nil || modes == 0 else {
            throw ValidationError("--max-weight-error is for two bundles that are not run")
        }
        guard golden == nil || other == nil else {
            throw ValidationError("--reference compares one model")
        }
        guard maxRelError == nil || prompt != nil || golden != nil else {
            throw ValidationError(
                "--max-rel-error is for --prompt and --reference: nothing else compares stages")
        }
        guard maxKl == nil || answers == nil && !verify && modes == 1 else {
            throw ValidationError("--max-kl has nothing to limit with --answers, or when nothing is run")
        }
        guard keepBase == nil || text != nil else { throw ValidationError("--keep-base is for --text") }
        guard image.isEmpty || prompt != nil || golden != nil else {
            throw ValidationError("--image is for --prompt and --reference")
        }
    }

    mutating func execute() throws(Failure) {
        if verify, let other { return try verify(base, other) }
        if let other, prompt == nil, text == nil, golden == nil, answers == nil {
            return try compareWeights(base, other)
        }
        let base = try open(base)
        let report = DiffReport(json: json, allStages: verbose)
        if let golden { return try compareGolden(base, golden) }
        let second = try other.map { (path) throws(Failure) in try open(path) }
        if let answers {
            let models = [base] + (second.map { [$0] } ?? [])
            let counts = try models.map { (model) throws(Failure) in try AnswerCount(model, file: answers) }
            report.print(counts)
            return try fail(counts.compactMap(\.failure))
        }
        guard let second else { return }
        if let prompt {
            let comparison = try PromptComparison(
                base: base, other: second, pictures: image, prompt: prompt, answerTokens: maxTokens)
            report.print(comparison)
            try fail(
                [comparison.nonFinite, beyond(comparison.stages), beyond(comparison.divergence.mean)]
                    .compactMap { $0 })
        } else if let text {
            let comparison = try compareText(base, second, text)
            report.print(comparison)
            try fail([comparison.nonFinite, beyond(comparison.divergence.mean)].compactMap { $0 })
        }
    }

    private func side(_ path: String) throws(Failure) -> Bundle {
        try GivenSide(path).open(reading.options, threads: threads)
    }

    private func open(_ path: String) throws(Failure) -> Model {
        let model = try Model(
            side(path), .init(threads: threads, cachePrecision: cacheType, largeProduct: .openBLAS()))
        if let warning = model.prompt.template.warning { Console.warn("\(path): \(warning)") }
        return model
    }

    private func compareWeights(_ base: String, _ other: String) throws(Failure) {
        let pool = try ThreadPool(threads: threads)
        let bundles = (try side(base), try side(other))
        let progress = Progress(total: 0)
        let comparison = try WeightComparison(base: bundles.0, other: bundles.1, pool) {
            (done, total) throws(Failure) in progress.show("weight \(done + 1) of \(total)")
        }
        progress.finish()
        WeightReport(comparison).print(json: json, allTensors: verbose)
        guard let maxWeightError, let furthest = comparison.furthest, !(furthest.error <= maxWeightError)
        else {
            return
        }
        throw Failure(
            .mismatch,
            "is beyond --max-weight-error \(maxWeightError): relative error \(significant(furthest.error))",
            at: "tensor '\(furthest.name)'")
    }

    private func compareText(_ base: Model, _ other: Model, _ path: String) throws(Failure) -> TextComparison
    {
        guard let text = String(validating: try readFile(path), as: UTF8.self) else {
            throw .badInput("is not UTF-8 text", file: path)
        }
        let progress = Progress(total: 2 * chunks)
        let kept = try KeptRun(
            base, text: text, window: window, maximumWindows: chunks, keep: keepBase
        ) { (done, total) throws(Failure) in progress.show("window \(done) of \(total) by the base") }
        let comparison = try TextComparison(base: base, other: other, kept: kept) {
            (done, total, mean) throws(Failure) in
            progress.show("window \(done) of \(total), mean KL so far \(significant(mean))")
        }
        progress.finish()
        return comparison
    }

    private func compareGolden(_ model: Model, _ path: String) throws(Failure) {
        var visuals: [PreparedPrompt.Visual] = []
        for path in image { visuals.append(.init(.image, try model.picture(path))) }
        let comparison = try GoldenComparison(model, file: path, visuals: visuals)
        let tolerance = maxRelError ?? 1e-3
        var faults = comparison.faults(tolerance)
        if maxKl != nil, comparison.divergence == nil {
            faults.append(Failure(.mismatch, "there are no logits to measure a divergence by"))
        }
        faults += [comparison.divergence.flatMap { beyond($0.mean) }].compactMap { $0 }
        DiffReport(json: json, allStages: true).print(comparison, tolerance: tolerance, faults)
        try fail(faults.map { $0.located(in: path) })
    }

    /// The first stage that is further away than allowed, if any.
    private func beyond(_ stages: [StageError]) -> Failure? {
        guard let limit = maxRelError else { return nil }
        guard !stages.isEmpty else { return Failure(.mismatch, "there are no stages to compare") }
        return stages.first { !($0.relativeMaximum <= limit) }.map {
            Failure(
                .mismatch,
                "is the first stage beyond \(limit): relative error \(significant($0.relativeMaximum))",
                at: $0.name)
        }
    }

    /// What to say of a mean divergence that is larger than allowed.
    private func beyond(_ mean: Double) -> Failure? {
        guard let maxKl, !(mean <= maxKl) else { return nil }
        let much = mean.isFinite ? significant(mean) : "infinite"
        return Failure(.mismatch, "the mean KL divergence is \(much), above \(maxKl)")
    }

    /// Ends the comparison with all that speaks against it.
    private func fail(_ faults: [Failure]) throws(Failure) {
        guard let first = faults.first else { return }
        throw faults.count == 1
            ? first : Failure(.mismatch, faults.map(\.description).joined(separator: "; "))
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
