import Accuracy
import ArgumentParser
import Bundles
import CommandSupport
import Runtime
import SampleSets
import Storage
import Tessera

/// What two models are run over.
struct EvaluationOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "What to ask both.")
    var prompt: String?

    @Option(help: "What to tell both before the prompt.")
    var system: String?

    @Option(
        help: """
            A picture for the prompt, or of a --reference file's prompt: its pixels are compared with the file's, if it has \
            any; repeat for more.
            """)
    var image: [String] = []

    @Option(help: "A video for the prompt; repeat for more.")
    var video: [String] = []

    @Option(help: "A text to compare over.")
    var text: String?

    @Option(
        name: [.customLong("ctx"), .customShort("c")],
        help: "Tokens of a window of a text.",
        transform: whole(2...Allowed.tokens.upperBound))
    var window: Int = 512

    @Option(
        help: "The first token of a window that is scored; 0 for all of it. (default: its second half is)",
        transform: whole(0...Allowed.tokens.upperBound))
    var scoreFrom: Int?

    @Option(help: "Windows of --text, at most; 0 for all.", transform: whole(0...1 << 24))
    var chunks: Int = 0

    @Option(
        parsing: .upToNextOption,
        help:
            "Conversations and texts to compare over: files and folders as tessera-calibrate reads them, or the words 'evaluation' and 'default' for the sets that ship."
    )
    var data: [String] = []

    @Option(
        name: [.customShort("n"), .long, .customLong("generate")],
        help: "Tokens of the greedy answers that are compared, at most.", transform: whole(Allowed.tokens))
    var maxTokens: Int = 64

    @Option(help: "Keep the base's final hidden states over --text in this file, or read them from it.")
    var keepBase: String?

    @Option(help: "Keep what is finished in this file; the same command goes on from it.")
    var resume: String?

    @Flag(help: "Exchange parts of both models one by one: what each costs alone.")
    var attribute = false

    @Option(
        help: "Tokens of the samples over which parts are exchanged, at most, where samples are so short.",
        transform: whole(16...Allowed.tokens.upperBound))
    var attributionTokens: Int = 48

    /// Whether anything is to be run.
    var runs: Bool { prompt != nil || text != nil || !data.isEmpty }

    /// What is given that says how to run, while nothing is run.
    var withoutRun: String? {
        if runs { return nil }
        if system != nil { return "--system" }
        if !video.isEmpty { return "--video" }
        if scoreFrom != nil { return "--score-from" }
        if keepBase != nil { return "--keep-base" }
        if resume != nil { return "--resume" }
        return attribute ? "--attribute" : nil
    }

    func validate() throws {
        guard keepBase == nil || text != nil && prompt == nil && data.isEmpty else {
            throw ValidationError("--keep-base is for --text alone")
        }
        guard scoreFrom == nil || keepBase == nil && prompt == nil else {
            throw ValidationError("--score-from is for --text and --data, without --keep-base")
        }
        guard prompt != nil || system == nil && video.isEmpty && (image.isEmpty || !runs) else {
            throw ValidationError("--image, --video and --system are for --prompt")
        }
    }

    /// Everything that is read.
    func inputs() throws(Failure) -> [String] {
        let sources = try SampleSource.find(data)
        return image + video + [text].compactMap { $0 } + sources.flatMap(\.files)
    }

    /// What is kept for other runs, and read by them.
    var kept: [String] { [keepBase, resume].compactMap { $0 } }

    /// The samples, made ready by the base.
    func set(_ base: Model, _ progress: SampleProgress) throws(Failure) -> EvaluationSet {
        var set = try EvaluationSet(base, answerTokens: maxTokens)
        if let prompt { try set.add(question: prompt, system: system, pictures: image, videos: video) }
        if let text { try set.add(text: text, window: window, windows: chunks, from: scoreFrom) }
        try set.add(try SampleSource.find(data), window: window, from: scoreFrom) {
            (done, total) throws(Failure) in
            progress.show(done, total, "reading \(done + 1) of \(total), the base answers")
        }
        guard scoreFrom == nil || set.items.contains(where: { $0.scored != .all }) else {
            throw Failure(.usage, "--score-from is for texts, and there is none")
        }
        return set
    }

    /// The base's run over the text, where it is to be kept.
    func kept(_ base: Model, _ set: EvaluationSet, _ progress: SampleProgress) throws(Failure) -> KeptRun? {
        try keepBase.map { (path) throws(Failure) in
            try KeptRun(base, set, window: window, keep: path) { (done, total) throws(Failure) in
                progress.show(done, total, "window \(done) of \(total) by the base")
            }
        }
    }

    /// What was finished of the same comparison before.
    func journal(
        _ base: Model, _ other: Model, _ set: EvaluationSet, inputs: [String]
    ) throws(Failure) -> RunJournal {
        guard let resume else { return RunJournal() }
        var identity = base.bundle.digest.bytes + other.bundle.digest.bytes
        identity += try set.digest().bytes
        identity += Array("\(maxTokens) \(attributionTokens) \(base.engine.options.cachePrecision)".utf8)
        return try RunJournal(resume, identity: try SHA256.digest(identity), inputs: inputs)
    }
}
