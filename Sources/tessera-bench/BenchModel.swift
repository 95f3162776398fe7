public import ArgumentParser
import CommandSupport
import Prompts
public import Runtime
import Storage
import Tessera
import Threads

struct BenchModel: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Time reading a prompt, writing an answer and encoding a picture, as tessera-run does them."
    )

    @Argument(help: "The bundle.")
    var model: String

    @Option(help: "Tokens of the prompt.", transform: whole(1...1 << 20))
    var prefill: Int = 512

    @Option(help: "Tokens written.", transform: whole(0...1 << 16))
    var decode: Int = 64

    @Option(help: "Sides of a square picture in pixels; 0 for none.", transform: whole(0...1 << 13))
    var image: Int = 0

    @Option(name: [.short, .long], help: "Threads to use.", transform: whole(Allowed.threads))
    var threads: Int = ThreadPool.processors

    @Option(help: "Keys and values in f16 or f32.")
    var cacheType: KeyValueCache.Precision = .float16

    @Option(
        help: "Runs of each, after one that does not count; the best is shown beside the median.",
        transform: whole(1...1000))
    var runs: Int = 3

    @Flag(help: "Report as JSON.")
    var json = false

    /// What was timed, in tokens a second of each run, sorted.
    private struct Result {
        let name: String
        let rates: [Double]
    }

    mutating func execute() throws(Failure) {
        let model = try Model(model, .init(threads: threads, cachePrecision: cacheType))
        guard prefill + decode <= model.contextLimit else {
            throw Failure(
                .limit,
                "\(prefill) tokens read and \(decode) written are more than the \(model.contextLimit) that the model was made for",
                file: self.model, remedy: "give a smaller --prefill or --decode")
        }
        let context = try TextContext(model.engine, capacity: prefill + decode)
        let prompt = try PreparedPrompt(
            tokens: BenchModel.tokens(prefill, model), visuals: [], settings: model.prompt)
        var results = [
            Result(
                name: "prefill of \(prefill)",
                rates: try measure(prefill) { () throws(Failure) in
                    _ = try BenchModel.read(prompt, context, .init())
                })
        ]
        var ways = [("greedily", Sampler.Settings())]
        if model.sampling != ways[0].1 { ways.append(("as the model samples", model.sampling)) }
        for (way, settings) in ways where decode > 0 {
            let begun = try BenchModel.read(prompt, context, settings)
            results.append(
                Result(
                    name: "decode of \(decode) after \(prefill), \(way)",
                    rates: try measure(decode) { () throws(Failure) in
                        context.cache.truncate(to: prefill)
                        var stream = begun
                        for _ in 0..<decode { try stream.write(try stream.choose()) }
                    }))
        }
        if image > 0 {
            let patches = try model.prompt.images.patches(try BenchModel.picture(side: image))
            let tokens = try model.prompt.shape(.image, patches.grid).tokens
            results.append(
                Result(
                    name: "encode of \(tokens) visual tokens",
                    rates: try measure(tokens) { () throws(Failure) in _ = try model.encode(patches) }))
        }
        report(results)
    }

    /// Reads the prompt into an empty cache and chooses the first token.
    private static func read(
        _ prompt: PreparedPrompt, _ context: TextContext, _ sampling: Sampler.Settings
    ) throws(Failure) -> TokenStream {
        context.cache.truncate(to: 0)
        let stream = try TokenStream(reading: prompt, nil, in: context, sampler: Sampler(sampling))
        var first = stream
        _ = try first.choose()
        return stream
    }

    /// Any tokens, but for those that stand for pictures.
    private static func tokens(_ count: Int, _ model: Model) -> [Int32] {
        let placeholders = [model.prompt.imageToken, model.prompt.videoToken]
        return (0..<count).map { index in
            let token = Int32((index * 7919 + 13) % model.engine.vocabulary)
            return placeholders.contains(token) ? 0 : token
        }
    }

    private static func picture(side: Int) throws(Failure) -> Picture {
        let pixels = (0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 7) }
        guard let picture = Picture(size: .init(width: side, height: side), pixels: pixels) else {
            throw Failure(.usage, "a picture of \(side) pixels is not possible")
        }
        return picture
    }

    /// Tokens a second of each run, sorted.
    private func measure(_ tokens: Int, _ body: () throws(Failure) -> Void) throws(Failure) -> [Double] {
        try body()
        var rates: [Double] = []
        for _ in 0..<runs {
            let start = monotonicSeconds()
            try body()
            // A clock may stand still for a nanosecond.
            rates.append(Double(tokens) / max(monotonicSeconds() - start, 1e-9))
        }
        return rates.sorted()
    }

    private func report(_ results: [Result]) {
        guard !json else {
            return Console.print(
                JSON.array(
                    results.map { result in
                        .pairs([
                            "name": .string(result.name), "unit": "tokens/s",
                            "rates": .array(result.rates.map(JSON.double)),
                        ])
                    }
                ).serialized(pretty: true))
        }
        var table = Table("\(threads) threads", "median", "best", "")
        for result in results {
            table.add(
                result.name, fixed(result.rates[result.rates.count / 2], 1), fixed(result.rates.last ?? 0, 1),
                "tokens/s")
        }
        Console.print(table.text)
    }
}

extension KeyValueCache.Precision: ExpressibleByArgument {}
