import ArgumentParser
import CommandSupport
import FloatProducts
import Prompts
import Runtime
import Storage
import Tessera
import Threads

struct BenchModel: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Time reading a prompt, writing an answer and encoding a picture.")

    @Argument(help: "The bundle.")
    var model: String

    @Option(help: "Tokens of the prompt.")
    var prefill: Int = 512

    @Option(help: "Tokens written.")
    var decode: Int = 64

    @Option(help: "Sides of a square picture in pixels; 0 for none.")
    var image: Int = 0

    @Option(name: [.short, .long], help: "Threads to use.")
    var threads: Int = ThreadPool.processors

    @Option(help: "Runs of each, after one that does not count; the best is shown beside the median.")
    var runs: Int = 3

    @Flag(help: "Report as JSON.")
    var json = false

    mutating func validate() throws {
        guard prefill > 0, decode >= 0, runs > 0, threads > 0, image >= 0 else {
            throw ValidationError("--prefill, --runs and --threads must be above 0")
        }
    }

    mutating func execute() throws(Failure) {
        let model = try Model(model, .init(threads: threads, largeProduct: .openBLAS()))
        var results: [(name: String, unit: String, rates: [Double])] = []
        let (prefill, decode) = (prefill, decode)
        let context = try TextContext(model.engine, capacity: prefill + decode + 1)
        let prompt = (0..<prefill).map { Int32(($0 * 7919 + 13) % model.engine.vocabulary) }
        results.append(
            (
                "prefill of \(prefill)", "tokens/s",
                try measure(Double(prefill)) { () throws(Failure) in
                    context.cache.truncate(to: 0)
                    let hidden = try context.evaluate(
                        .init(tokens: prompt, positions: BenchModel.positions(0..<prefill)))
                    _ = try model.engine.logits(hidden)
                }
            ))
        if decode > 0 {
            results.append(
                (
                    "decode of \(decode) after \(prefill)", "tokens/s",
                    try measure(Double(decode)) { () throws(Failure) in
                        context.cache.truncate(to: prefill)
                        for step in 0..<decode {
                            let hidden = try context.evaluate(
                                .init(
                                    tokens: [prompt[step % prefill]],
                                    positions: BenchModel.positions(prefill + step..<prefill + step + 1)))
                            _ = try model.engine.logits(hidden)
                        }
                    }
                ))
        }
        if image > 0 {
            let pixels = [UInt8](unsafeUninitializedCapacity: image * image * 3) { buffer, count in
                for index in buffer.indices {
                    buffer[index] = UInt8(truncatingIfNeeded: index &* 31 &+ index >> 7)
                }
                count = buffer.count
            }
            guard let picture = Picture(size: .init(width: image, height: image), pixels: pixels) else {
                throw Failure(.usage, "a picture of \(image) pixels is not possible")
            }
            let patches = try model.prompt.images.patches(picture)
            let tokens = try model.prompt.shape(.image, patches.grid).tokens
            results.append(
                (
                    "encode of \(tokens) visual tokens", "tokens/s",
                    try measure(Double(tokens)) { () throws(Failure) in
                        _ = try model.encode(patches)
                    }
                ))
        }
        report(results)
    }

    private static func positions(_ range: Range<Int>) -> [Int32] {
        (0..<3).flatMap { _ in range.map(Int32.init) }
    }

    /// Work a second of each run, sorted.
    private func measure(_ work: Double, _ body: () throws(Failure) -> Void) throws(Failure) -> [Double] {
        try body()
        var rates: [Double] = []
        for _ in 0..<runs {
            let start = monotonicSeconds()
            try body()
            rates.append(work / (monotonicSeconds() - start))
        }
        return rates.sorted()
    }

    private func report(_ results: [(name: String, unit: String, rates: [Double])]) {
        guard !json else {
            return Console.print(
                JSON.array(
                    results.map { result in
                        .pairs([
                            "name": .string(result.name), "unit": .string(result.unit),
                            "rates": .array(result.rates.map(JSON.double)),
                        ])
                    }
                ).serialized(pretty: true))
        }
        var table = Table("\(threads) threads", "median", "best", "")
        for result in results {
            table.add(
                result.name, fixed(result.rates[result.rates.count / 2], 1), fixed(result.rates.last ?? 0, 1),
                result.unit)
        }
        Console.print(table.text)
    }
}
