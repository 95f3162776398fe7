import ArgumentParser
import Bundles
import Calibration
import CommandSupport
import FloatProducts
import Runtime
import SampleSets
import Storage
import Tessera
import Threads

@main struct Calibrate: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera-calibrate",
        abstract: "Run a model over a calibration set and keep what its linears read.",
        discussion: """
            The model runs layer by layer: one layer's weights and statistics are in memory at a time. The file is what \
            tessera-quantize --calibration takes. Interrupted, run the same command again: it goes on where it was.
            """)

    @Argument(help: "A bundle of full precision.")
    var model: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            """
            JSONL files of conversations, text files, or folders of both, or the word 'default' for the set that ships \
            with the program; see formats/calibration-data.md.
            """))
    var data: [String]

    @Option(name: [.short, .long], help: "The calibration file to write.")
    var output: String

    @Option(help: "Tokens of a window of plain text.", transform: whole(2...Allowed.tokens.upperBound))
    var window: Int = 512

    @Option(help: "Tokens of the whole set, at most.", transform: whole(1...1 << 30))
    var tokens: Int = 65536

    @Option(
        help: "Let the model answer the questions that conversations end with, in so many tokens at most.",
        transform: whole(0...Allowed.tokens.upperBound))
    var answers: Int = 0

    @Flag(help: "Keep the second moments of each column only, not of pairs.")
    var light = false

    @Flag(help: "Leave out how much each weight matters, which --bits and --fit of tessera-quantize need.")
    var noSensitivity = false

    @Option(
        name: [.short, .long], help: "Threads to use. The bytes written do not depend on it.",
        transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Flag(help: "Replace an existing file.")
    var force = false

    mutating func validate() throws {
        guard tokens >= window else { throw ValidationError("--tokens must be at least --window") }
    }

    mutating func execute() throws(Failure) {
        let sources = try SampleSource.find(data)
        let place = try OutputPath(
            output, replacing: force,
            inputs: [model] + sources.flatMap(\.files)
                + data.flatMap { OutputPath.inputs(in: $0, depth: SampleSource.maximumDepth) })
        Interruption.watch()
        let opened = try Model(model, .init(threads: threads, largeProduct: .openBLAS()))
        try opened.bundle.verify(threads: threads)
        let builder = try SetBuilder(
            sources, opened,
            .init(window: window, tokens: tokens, answerTokens: answers)
        ) { _ throws(Failure) in try Interruption.check() }
        let prepared = builder.prepared
        if builder.leftOut > 0 {
            Console.log(
                "\(builder.leftOut) conversations of the sets that ship are longer than the model takes and were left out"
            )
        }
        let recorder = try CalibrationRecorder(
            opened.bundle, prepared, patches: builder.patches, detail: light ? .light : .full,
            sensitivity: !noSensitivity,
            threads: threads, largeProduct: .openBLAS())
        for warning in recorder.warnings { Console.warn(warning.message) }
        let start = monotonicSeconds()
        let progress = SampleProgress()
        let found = try recorder.run(to: place, data: .array(data.map { .string($0) })) {
            (state) throws(Failure) in
            progress.show(state.done, state.total, state.place)
            try Interruption.check()
        }
        progress.finish()
        for warning in found { Console.warn(warning.message) }
        let seconds = fixed(monotonicSeconds() - start, 1)
        if let choice = recorder.choice { Console.log(choice.summary) }
        Console.print(
            "\(output): \(prepared.samples.count) samples, \(prepared.tokenCount) tokens, "
                + "\(prepared.visuals.count) pictures and videos, \(ByteCount.text(recorder.byteCount)), \(seconds) s"
        )
    }
}
