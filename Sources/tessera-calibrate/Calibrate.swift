import ArgumentParser
import Bundles
import Calibration
import CommandSupport
import FloatProducts
import Prompts
import Runtime
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

    @Option(parsing: .upToNextOption, help: "Text files.")
    var data: [String]

    @Option(name: [.short, .long], help: "The calibration file to write.")
    var output: String

    @Option(help: "Tokens of a window of plain text.")
    var window: Int = 512

    @Option(help: "Tokens of the whole set, at most.")
    var tokens: Int = 65536

    @Flag(help: "Keep the second moments of each column only, not of pairs.")
    var light = false

    @Flag(help: "Leave out how much each weight matters, which --bits and --fit of tessera-quantize need.")
    var noSensitivity = false

    @Option(name: [.short, .long], help: "Threads to use. The bytes written do not depend on it.")
    var threads: Int = ThreadPool.processors

    @Flag(help: "Replace an existing file.")
    var force = false

    mutating func execute() throws(Failure) {
        let opened = try Model(model, .init(threads: 1))
        let tokenizer = try opened.requireTokenizer()
        var prepared = PreparedSet(opened.prompt)
        for path in data {
            guard let text = String(validating: try readFile(path), as: UTF8.self) else {
                throw .badInput("is not UTF-8 text", file: path)
            }
            let all = tokenizer.encode(text, specials: .asText)
            for start in stride(from: 0, to: all.count - window + 1, by: window)
            where prepared.tokenCount < tokens {
                try prepared.add(Array(all[start..<start + window]), [])
            }
        }
        let recorder = try CalibrationRecorder(
            opened.bundle, prepared, patches: try SpooledPatches(), detail: light ? .light : .full,
            sensitivity: !noSensitivity,
            threads: threads, largeProduct: .openBLAS())
        Interruption.watch()
        let start = monotonicSeconds()
        let progress = SampleProgress()
        try recorder.run(to: output, overwrite: force, data: .array(data.map { .string($0) })) {
            (state) throws(Failure) in
            progress.show(state.done, state.total, state.place)
            try Interruption.check()
        }
        print(
            "\(output): \(prepared.tokenCount) tokens, \(ByteCount.text(recorder.byteCount)), \(fixed(monotonicSeconds() - start, 1)) s"
        )
    }
}
