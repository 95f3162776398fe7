import CommandSupport
import Glibc
import Prompts
import Runtime
import Storage
import Tessera

/// Times a model with one number of threads, by what `tessera-run` calls.
struct ModelBench {
    let model: Model
    let context: TextContext?
    /// Runs that count.
    let repetitions: Int
    /// Whether one comes before them, in which memory is looked at.
    let warmsUp: Bool
    /// Whether each row is followed by those of its stages.
    let showsStages: Bool
    private let counter: WorkCounter

    /// - Parameter capacity: tokens of the longest test; 0 where no text is timed.
    init(
        _ model: Model, capacity: Int, repetitions: Int, warmsUp: Bool, showsStages: Bool
    ) throws(Failure) {
        (self.model, self.repetitions) = (model, repetitions)
        (self.warmsUp, self.showsStages) = (warmsUp, showsStages)
        let engine = model.engine
        context = capacity > 0 ? try TextContext(engine, capacity: capacity) : nil
        func cache(_ capacity: Int) throws(Failure) -> Int {
            try engine.estimateMemory(capacity: capacity, patches: 0, segments: 0, mapped: 0).cache
        }
        counter = try WorkCounter(
            model.bundle, engine.graph, cacheBytes: Double(try cache(2) - cache(1)),
            chunk: engine.options.chunk)
    }

    /// Greedily, and as the model samples, where that is something else.
    private var ways: [(name: String, settings: Sampler.Settings)] {
        let greedy = (BenchRow.greedily, Sampler.Settings())
        return model.sampling == greedy.1 ? [greedy] : [greedy, ("sampled", model.sampling)]
    }

    /// Fills the cache with the tokens that come before those of tests.
    func fill(depth: Int) throws(Failure) {
        context?.cache.rewind(to: 0)
        guard let context, depth > 0 else { return }
        _ = try context.evaluate(context.text(tokens(depth), from: 0))
        context.cache.keepPlace()
    }

    /// Reading `prompt` tokens and writing `generated` after a cache that is filled; a row for each way of choosing tokens.
    func text(prompt: Int, generated: Int, depth: Int) throws(Failure) -> [BenchRow] {
        guard let context else { return [] }
        let read = prompt > 0 ? try counter.reading(prompt, after: depth) : []
        var work = read.reduce(Work()) { $0 + $1.work }
        if generated > 0 { work += try counter.writing(generated, after: depth + prompt) }
        let subject = BenchRow.Subject.text(prompt: prompt, generated: generated, depth: depth)
        var rows: [BenchRow] = []
        for way in generated > 0 ? ways : [ways[0]] {
            var row = try time(subject, work) { () throws(Failure) in
                context.cache.rewind(to: depth)
                try run(prompt, generated, Sampler(way.settings), context)
            }
            row.sampling = generated > 0 ? way.name : nil
            rows.append(row)
        }
        guard showsStages, generated == 0 else { return rows }
        return try rows
            + stages(read, subject) { (observer) throws(Failure) in
                context.cache.rewind(to: depth)
                let input = context.text(tokens(prompt), from: Int32(clamping: depth))
                let hidden = try context.evaluate(input, observer: observer)
                _ = try context.engine.logits(hidden, observer: observer)
            }
    }

    private func run(
        _ prompt: Int, _ generated: Int, _ sampler: Sampler, _ context: TextContext
    ) throws(Failure) {
        var sampler = sampler
        let first = tokens(max(1, prompt))
        var seen = Set(first)
        // Without a prompt the first token written follows any token, as in llama-bench.
        var token = try choice(after: first, context, &sampler, seen)
        for _ in 0..<(prompt > 0 ? generated : generated - 1) {
            seen.insert(token)
            token = try choice(after: [token], context, &sampler, seen)
        }
    }

    /// The token chosen after these were evaluated.
    private func choice(
        after tokens: [Int32], _ context: TextContext, _ sampler: inout Sampler, _ seen: Set<Int32>
    ) throws(Failure) -> Int32 {
        let hidden = try context.evaluate(context.text(tokens, from: Int32(clamping: context.cache.count)))
        let logits = try context.engine.logits(hidden).values
        return try context.choose(&sampler, from: logits, of: hidden.values, seen: seen)
    }

    /// Encoding a picture of so many pixels.
    func picture(_ size: PixelSize) throws(Failure) -> [BenchRow] {
        let patches = try model.prompt.images.patches(try Self.picture(size))
        let count = patches.grid.patches ?? 0
        let subject = BenchRow.Subject.picture(
            width: size.width, height: size.height, patches: count,
            rows: try model.prompt.shape(.image, patches.grid).tokens)
        let parts = try counter.encoding(patches: count)
        let whole = try time(subject, parts.reduce(Work()) { $0 + $1.work }) { () throws(Failure) in
            _ = try model.encode(patches)
        }
        guard showsStages else { return [whole] }
        return try [whole]
            + stages(parts, subject) { (observer) throws(Failure) in
                _ = try model.encode(patches, observer: observer)
            }
    }

    private func time(
        _ subject: BenchRow.Subject, _ work: Work, _ body: () throws(Failure) -> Void
    ) throws(Failure) -> BenchRow {
        let begun = Glibc.time(nil)
        let memory = warmsUp ? try PeakMemory.during(body).1 : nil
        var samples: [Double] = []
        for _ in 0..<repetitions {
            let start = monotonicSeconds()
            try body()
            // A clock may stand still for a nanosecond.
            samples.append(max(monotonicSeconds() - start, 1e-9))
        }
        return BenchRow(subject: subject, work: work, samples: samples, memory: memory, begun: begun)
    }

    /// The same by stages, between values that a run shows. Such runs keep every value whole: they take more memory than others,
    /// and are timed for themselves.
    private func stages(
        _ parts: [WorkCounter.Stage], _ subject: BenchRow.Subject,
        _ body: (@escaping Observer) throws(Failure) -> Void
    ) throws(Failure) -> [BenchRow] {
        let begun = Glibc.time(nil)
        let clock = StageClock()
        if warmsUp { try body { _, _, _ in } }
        for _ in 0..<repetitions {
            clock.start()
            try body { name, _, _ in clock.reach(WorkCounter.Stage.name(of: name)) }
        }
        let work = Dictionary(parts.map { ($0.name, $0.work) }) { $0 + $1 }
        return clock.stages.map { stage in
            BenchRow(
                subject: subject, stage: stage.name, work: work[stage.name] ?? Work(),
                samples: stage.samples.map { max($0, 1e-9) }, begun: begun)
        }
    }

    /// Any tokens, but for those that stand for pictures.
    private func tokens(_ count: Int) -> [Int32] {
        let placeholders = [model.prompt.imageToken, model.prompt.videoToken]
        return (0..<count).map { index in
            let token = Int32((index * 7919 + 13) % model.engine.vocabulary)
            return placeholders.contains(token) ? 0 : token
        }
    }

    private static func picture(_ size: PixelSize) throws(Failure) -> Picture {
        let pixels = (0..<size.width * size.height * 3).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 7) }
        guard let picture = Picture(size: .init(width: size.width, height: size.height), pixels: pixels)
        else {
            throw Failure(.usage, "a picture of \(size.width)x\(size.height) pixels is not possible")
        }
        return picture
    }
}

/// Adds up the time of each stage, run by run.
private final class StageClock {
    /// In the order in which they were first reached.
    private(set) var stages: [(name: String, samples: [Double])] = []
    private var places: [String: Int] = [:]
    private var runs = 0
    private var last = 0.0

    func start() {
        runs += 1
        last = monotonicSeconds()
    }

    /// A stage is complete: what passed since the one before is its time.
    func reach(_ name: String) {
        let now = monotonicSeconds()
        let place = places[name] ?? stages.count
        if place == stages.count {
            places[name] = place
            stages.append((name, []))
        }
        if stages[place].samples.count < runs { stages[place].samples.append(0) }
        stages[place].samples[runs - 1] += now - last
        last = now
    }
}
