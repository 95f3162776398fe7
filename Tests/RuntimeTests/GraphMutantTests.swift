import Bundles
import Generations
import Glibc
import GraphIR
import Storage
import TestSupport
import Testing

@testable import Runtime

/// Mutants of every generation's graph are refused with a sentence, or run: none traps, hangs, asks for memory without bound,
/// or touches what is not its own. Run it under the address sanitizer, too (`make sanitize`).
///
/// `TESSERA_MUTANTS` is how many of each fixture are tried, from `TESSERA_MUTANT_SEED` on. A file named at the start holds the
/// seed being tried, for a run that ends with the process.
@Suite(.serialized) struct GraphMutantTests {
    private static let count = number("TESSERA_MUTANTS") ?? 1000
    private static let first = UInt64(number("TESSERA_MUTANT_SEED") ?? 0)

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }

    @Test(
        arguments: Fixtures.published.map { ($0, nil) }
            + [("demo-qwen2-vl", nil), ("demo-qwen2-vl", "int4"), ("qwen3-vl-moe", "int8")]
            as [(String, String?)])
    func noMutantTouchesWhatIsNotItsOwn(fixture: String, recipe: String?) throws {
        let trial = try MutantTrial(Bundle(try Bundled.path(fixture, recipe)))
        #expect(trial.outcome(of: trial.model, seed: 0) == .ran, "the fixture itself must run")
        let name = fixture + (recipe.map { "-" + $0 } ?? "")
        let log = try SeedLog(name)
        var outcomes: [MutantTrial.Outcome: Int] = [:]
        var slowest = Duration.zero
        for seed in Self.first..<Self.first + UInt64(Self.count) {
            log.note(seed)
            let start = ContinuousClock.now
            let outcome = trial.outcome(of: GraphMutator.mutant(of: trial.model, seed: seed), seed: seed)
            slowest = max(slowest, ContinuousClock.now - start)
            outcomes[outcome, default: 0] += 1
        }
        log.end()
        print(
            "mutants of \(name): \(outcomes[.refused, default: 0]) refused, \(outcomes[.tooLarge, default: 0]) too large, "
                + "\(outcomes[.ran, default: 0]) ran; the slowest took \(slowest)")
        #expect(slowest < .seconds(30))
        if Self.count >= 100 {
            // The mutator must reach both ends; of a hybrid's graph fewer changes are harmless.
            #expect(outcomes[.ran, default: 0] * 100 > Self.count)
            #expect(outcomes[.refused, default: 0] * 20 > Self.count)
        }
    }
}

/// Where the seed being tried is kept, for when the process ends with it.
private struct SeedLog {
    private let descriptor: Int32
    private let path: String

    init(_ name: String) throws {
        path = "/tmp/tessera-mutant-\(name)-\(getpid())"
        descriptor = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw Failure.system("cannot write", file: path, errno: errno) }
        print("the seed being tried is in \(path)")
    }

    func note(_ seed: UInt64) {
        let text = Array("\(seed)\n".utf8)
        pwrite(descriptor, text, text.count, 0)
    }

    func end() {
        close(descriptor)
        unlink(path)
    }
}

/// Opens graphs over one bundle's weights, and runs those that open.
struct MutantTrial {
    enum Outcome { case refused, tooLarge, ran }

    let model: JSON
    private let weights: OwnedWeights
    private static let memory = 64 << 20

    init(_ bundle: Bundle) throws {
        model = try bundle.graphJSON
        weights = OwnedWeights(bundle)
    }

    /// What comes of a graph; anything but a refusal or a run is recorded as an issue.
    func outcome(of json: JSON, seed: UInt64) -> Outcome {
        do throws(Failure) {
            let precision = KeyValueCache.Precision.allCases[Int(seed % 3)]
            let graph = try ModelGraph(json: json)
            let options = Engine.Options(threads: 1, chunk: 5, cachePrecision: precision)
            let engine = try Engine(graph, options, arena: GuardedArena(limit: Self.memory)) { weights[$0] }
            let memory = try engine.estimateMemory(capacity: 20, patches: 24, segments: 2, mapped: 0)
            guard memory.anonymous <= Self.memory else { return .tooLarge }
            let answer = try answer(of: engine)
            // Another chunk size, memory that is used again and full of the last run: the same bits, or something was read that
            // was not written for it.
            let whole = Engine.Options(threads: 1, chunk: 64, cachePrecision: precision)
            let other = try Engine(graph, whole) { weights[$0] }
            if try self.answer(of: other) != answer {
                Issue.record("seed \(seed): another chunk, another answer")
            }
            return .ran
        } catch {
            if ![.badInput, .limit].contains(error.kind) { Issue.record("seed \(seed): \(error)") }
            return .refused
        }
    }

    /// The bits of a picture's rows, a prompt's hidden states and some logits; every NaN counts as the same.
    private func answer(of engine: Engine) throws(Failure) -> [UInt32] {
        let (grids, segments): ([(h: Int, w: Int)], [Int32]) =
            if case .fixed = engine.visualRows { ([(4, 6)], [0, 24]) } else {
                ([(4, 4), (2, 4)], [0, 16, 24])
            }
        let places = grids.flatMap { grid in
            (0..<grid.h * grid.w).map { (row: Int32($0 / grid.w), column: Int32($0 % grid.w)) }
        }
        let patches = (0..<24 * engine.patchWidth).map { Float($0 * 37 % 101) / 50 - 1 }
        let visuals = try engine.encode(
            patches: patches, coordinates: places.map(\.row) + places.map(\.column), segments: segments)
        let context = try TextContext(engine, capacity: 20)
        let ids = (0..<13).map { Int32($0 * 7 % 11) }
        let shown = min(visuals.count, 6)
        let positions = context.text(ids, from: 0).positions
        let first = try context.evaluate(
            .init(
                tokens: ids, positions: positions,
                visuals: shown == 0
                    ? nil
                    : Engine.Rows(
                        values: Array(visuals.values.prefix(shown * visuals.columns)),
                        columns: visuals.columns),
                visualRows: (0..<shown).map { Int32(2 + $0) }), wanted: .all)
        expectTheRestUntouched(context)
        let second = try context.evaluate(prompt: context.text([1, 2, 0], from: 13))
        expectTheRestUntouched(context)
        let logits = try engine.logits(
            Engine.Rows(
                values: Array(first.values.prefix(2 * first.columns)) + second.values, columns: first.columns)
        )
        return (visuals.values + first.values + second.values + logits.values).map {
            $0.isNaN ? Float.nan.bitPattern : $0.bitPattern
        }
    }

    /// What no token has filled of the cache is as the system gave it.
    private func expectTheRestUntouched(_ context: TextContext) {
        let cache = context.cache.keysAndValues
        for node in (try? context.engine.graph.graph("text").nodes) ?? [] {
            guard case .attention(let attention) = node.operation, case .causal(let layer) = attention.extent
            else {
                continue
            }
            for values in [false, true] {
                let (base, headBytes) = cache.part(layer, values: values)
                for head in 0..<attention.keyHeads {
                    let start = base + head * headBytes
                    let row = cache.precision.rowBytes(attention.headDimension)
                    let rest = UnsafeRawBufferPointer(
                        start: start + cache.count * row, count: (cache.capacity - cache.count) * row)
                    if rest.contains(where: { $0 != 0 }) {
                        Issue.record("layer \(layer) was written ahead of its tokens")
                    }
                }
            }
        }
    }
}
