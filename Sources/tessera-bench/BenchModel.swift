public import ArgumentParser
import BundleCommands
import Bundles
import Checkpoints
import CommandSupport
import Generations
import Quantization
public import Runtime
import Storage
import Tessera
import Threads

struct BenchModel: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Time reading prompts, writing answers and encoding pictures, as tessera-run does them.",
        discussion: """
            Options and fields are llama-bench's as far as both know a thing, so that its tools read the results. Every number that \
            may be a list is one with commas, or given more than once; each combination is a row. Writing is timed with the \
            choice of tokens, greedily and as the model samples. Beside each rate stands what it is of the shortest time that \
            this machine could take, by peaks measured in the same run with as many threads: the multiply-adds there are to do, \
            or the bytes of weights and cache there are to read, whichever takes longer. Memory is the most while a run that is not \
            timed goes on.
            """)

    @Argument(help: "The bundle.")
    var bundle: String?

    @Option(
        help: """
            Instead of a bundle: a published model's name (tessera-inspect manifests lists them) or a manifest file, of which a \
            bundle with random weights is made first.
            """)
    var random: String?

    @Option(help: "With --random: the recipe that the bundle is made by. (default: int4)")
    var recipe: String?

    @Option(
        help: "With --random: so many layers of the decoder only, for a quick trial.",
        transform: whole(1...1 << 16))
    var randomLayers: Int?

    @Option(help: "With --random: the file that the bundle is kept in; without it, it has no name.")
    var keep: String?

    @Option(
        name: [.customShort("p"), .long, .customLong("prefill")],
        help: "Tokens of prompts; 0 for none. (default: 512)",
        transform: wholes(0...1 << 20))
    var nPrompt: [[Int]] = [[512]]

    @Option(
        name: [.customShort("n"), .long, .customLong("decode")],
        help: "Tokens written; 0 for none. (default: 64)",
        transform: wholes(0...1 << 16))
    var nGen: [[Int]] = [[64]]

    @Option(
        name: .customLong("pg", withSingleDash: true),
        help: "Tokens of a prompt and tokens written after it, timed together: 512,128.",
        transform: wholes(1...1 << 20, exactly: 2))
    var promptAndGen: [[Int]] = []

    @Option(
        name: [.customShort("d"), .long], help: "Tokens in the cache already. (default: 0)",
        transform: wholes(0...1 << 20)
    )
    var nDepth: [[Int]] = [[0]]

    @Option(help: "Pictures to encode: the side of a square in pixels, or 1280x960.", transform: pictures)
    var image: [[PixelSize]] = []

    @Flag(help: "A row for each stage of prompts and pictures, too.")
    var stages = false

    @Option(
        name: [.short, .long], help: "Threads to use. (default: the processors that may be used)",
        transform: wholes(Allowed.threads))
    var threads: [[Int]] = [[ThreadPool.processors]]

    @Option(help: "Keys and values in f16, f32 or i8.")
    var cacheType: KeyValueCache.Precision = .float16

    @Option(
        name: [.customShort("r"), .long, .customLong("runs")], help: "Runs of each test.",
        transform: whole(1...1000))
    var repetitions: Int = 3

    @Flag(help: "Do without the run before those that are timed; the peaks of memory are not known then.")
    var noWarmup = false

    @Option(name: [.short, .long], help: "Results as md, json, jsonl or csv.")
    var output: OutputForm = .md

    @Flag(help: "The same as --output json.")
    var json = false

    mutating func validate() throws {
        guard (bundle == nil) != (random == nil) else {
            throw ValidationError("give a bundle, or the name of a model for --random")
        }
        guard random != nil || (recipe ?? keep) == nil && randomLayers == nil else {
            throw ValidationError("--recipe, --random-layers and --keep are for --random")
        }
        guard longest > 0 || !image.isEmpty else { throw ValidationError("there is nothing to be timed") }
    }

    /// Tokens of the longest test; 0 where none has any.
    private var longest: Int {
        let tests = Array((nPrompt + nGen).joined()) + promptAndGen.map { $0[0] + $0[1] }
        guard let most = tests.max(), most > 0 else { return 0 }
        return most + (nDepth.joined().max() ?? 0)
    }

    mutating func execute() throws(Failure) {
        let made = try random.map { (name) throws(Failure) in try makeBundle(name) }
        var report = BenchReport(json ? .json : output)
        for threads in threads.joined() {
            let start = monotonicSeconds()
            let options = Engine.Options(threads: threads, cachePrecision: cacheType)
            let model =
                if let made { try Model(made, options) } else { try Model(bundle ?? "", options) }
            let setting = BenchSetting(
                model, load: monotonicSeconds() - start)
            try checkLength(model)
            report.begin(setting)
            try time(setting) { report.add($0, setting) }
        }
        report.finish()
    }

    private func checkLength(_ model: Model) throws(Failure) {
        guard longest <= model.contextLimit else {
            throw Failure(
                .limit,
                "\(longest) tokens are more than the \(model.contextLimit) that the model was made for",
                file: model.bundle.path, remedy: "give a smaller -p, -n, -pg or -d")
        }
    }

    private func time(_ setting: BenchSetting, _ add: (BenchRow) -> Void) throws(Failure) {
        let bench = try ModelBench(
            setting.model, capacity: longest, repetitions: repetitions, warmsUp: !noWarmup,
            showsStages: stages)
        let tests =
            nPrompt.joined().map { [$0, 0] } + nGen.joined().map { [0, $0] } + promptAndGen
        for depth in nDepth.joined() where longest > 0 {
            try bench.fill(depth: depth)
            for test in tests where test[0] + test[1] > 0 {
                try bench.text(prompt: test[0], generated: test[1], depth: depth).forEach(add)
            }
        }
        for size in image.joined() { try bench.picture(size).forEach(add) }
    }

    /// Makes the bundle that --random names, and says what that took.
    private func makeBundle(_ name: String) throws(Failure) -> Bundle {
        var manifest = try CheckpointManifest(named: name)
        if let randomLayers { manifest = try manifest.shortened(to: randomLayers) }
        let place = try keep.map { (path) throws(Failure) in
            try OutputPath(path, inputs: [name] + Recipe.files(recipe))
        }
        let threads = threads.joined().max() ?? ThreadPool.processors
        let start = monotonicSeconds()
        let (bundle, memory) = try PeakMemory.during { () throws(Failure) in
            try manifest.randomBundle(recipe: recipe ?? "int4", at: place, threads: threads)
        }
        let peak = memory.map { ", at most \(ByteCount.text($0.anonymous)) of memory beside files" } ?? ""
        Console.log("made in \(fixed(monotonicSeconds() - start, 1)) s\(peak)")
        return bundle
    }
}

/// Reads whole numbers between commas.
/// - Parameter count: how many there must be; nil for any.
private func wholes(
    _ range: ClosedRange<Int>, exactly count: Int? = nil
) -> @Sendable (String) throws -> [Int] {
    { text in
        let numbers = try text.split(separator: ",", omittingEmptySubsequences: false)
            .map { try whole(range)(String($0)) }
        guard numbers.count == count ?? numbers.count else {
            throw ValidationError("\(numbers.count) numbers are given, and \(count ?? 0) are wanted")
        }
        return numbers
    }
}

/// Reads sizes of pictures between commas: a side, or two with an x between them.
private let pictures: @Sendable (String) throws -> [PixelSize] = { text in
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
        let sides = part.contains("x") ? String(part) : "\(part)x\(part)"
        guard let size = PixelSize(argument: sides), max(size.width, size.height) <= 1 << 13 else {
            throw ValidationError("a side from 1 to \(1 << 13) is wanted, or two such with an x between them")
        }
        return size
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
