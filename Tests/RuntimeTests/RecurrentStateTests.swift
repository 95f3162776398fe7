import Glibc
import Runtime
import Storage
import Tessera
import TestSupport
import Testing

/// What a hybrid model keeps of a sequence: come back to where it was kept, and nowhere else; as good at the end as at the beginning.
@Suite(.serialized) struct RecurrentStateTests {
    private static let fixtures: [(fixture: String, recipe: String?)] = [
        ("qwen3.5", nil), ("qwen3.5", "int4"), ("qwen3.5-moe", "int8"),
    ]

    private func tokens(_ count: Int, seed: UInt64 = 1) -> [Int32] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32(3 + state >> 33 % 180)
        }
    }

    private func input(
        _ tokens: ArraySlice<Int32>, _ context: TextContext, places: [Int] = []
    ) -> TextContext.Input {
        let text = context.text(Array(tokens), from: Int32(tokens.startIndex))
        return TextContext.Input(tokens: text.tokens, positions: text.positions, places: places)
    }

    private func engine(_ model: (fixture: String, recipe: String?), chunk: Int = 512) throws -> Engine {
        try Model(try Bundled.path(model.fixture, model.recipe), .init(threads: 2, chunk: chunk)).engine
    }

    /// Chunks of the lengths of prompts and of what kernels take at once, over more tokens than one chunk has.
    @Test(arguments: fixtures)
    func chunksMakeNoDifference(fixture: String, recipe: String?) throws {
        let tokens = tokens(700)
        func hidden(_ chunk: Int) throws -> [Float] {
            let context = try TextContext(try engine((fixture, recipe), chunk: chunk), capacity: 700)
            return try context.evaluate(input(tokens[...], context), wanted: .all).values
        }
        let whole = try hidden(512)
        #expect(!whole.contains { !$0.isFinite })
        for chunk in [1, 64, 700] { #expect(try hidden(chunk) == whole, "chunks of \(chunk)") }
    }

    @Test(arguments: fixtures)
    func keptPlacesAreComeBackTo(fixture: String, recipe: String?) throws {
        let (tokens, engine) = (tokens(60), try engine((fixture, recipe)))
        let (plain, other) = (try TextContext(engine, capacity: 80), try TextContext(engine, capacity: 80))
        let whole = try plain.evaluate(input(tokens[...], plain), wanted: .all)
        _ = try other.evaluate(input(tokens[..<40], other, places: [10, 25]))
        #expect([40, 39, 25, 24, 10, 9].map(other.cache.reachable) == [40, 25, 25, 10, 10, 0])
        other.cache.rewind(to: 30)
        #expect(other.cache.count == 25)
        func rest() throws -> [Float] {
            let first = other.cache.count
            let rows = try other.evaluate(input(tokens[first...], other), wanted: .all)
            return Array(repeating: 0, count: first * rows.columns) + rows.values
        }
        #expect(try rest().suffix(35 * whole.columns) == whole.values.suffix(35 * whole.columns))
        // What came after the place is forgotten, what came before is not.
        #expect(other.cache.reachable(59) == 25)
        other.cache.rewind(to: 24)
        #expect(other.cache.count == 10)
        #expect(try rest().suffix(50 * whole.columns) == whole.values.suffix(50 * whole.columns))
        other.cache.rewind(to: 9)
        #expect(other.cache.count == 0)
        #expect(try rest() == whole.values)
    }

    @Test(arguments: fixtures)
    func marksAreRestored(fixture: String, recipe: String?) throws {
        let (tokens, engine) = (tokens(50), try engine((fixture, recipe)))
        let (plain, marked) = (try TextContext(engine, capacity: 80), try TextContext(engine, capacity: 80))
        for context in [plain, marked] { _ = try context.evaluate(prompt: input(tokens[..<20], context)) }
        let mark = marked.mark
        _ = try marked.evaluate(prompt: input(tokens[25...], marked, places: [5, 9]))
        try marked.restore(mark)
        #expect(marked.cache.count == 20 && marked.cache.reachable(19) == 0)
        #expect(
            try marked.evaluate(prompt: input(tokens[20...], marked)).values
                == (try plain.evaluate(prompt: input(tokens[20...], plain)).values))
    }

    /// The places that cost memory are few: the oldest go.
    @Test func theOldestPlacesGo() throws {
        let context = try TextContext(try engine(("qwen3.5", nil)), capacity: 80)
        _ = try context.evaluate(input(tokens(60)[...], context, places: [5, 10, 20, 30, 40]))
        #expect([59, 29, 19].map(context.cache.reachable) == [40, 20, 0])
        // What attends alone has no need of any.
        let other = try TextContext(try engine(("qwen3-vl", nil)), capacity: 80)
        _ = try other.evaluate(input(tokens(60)[...], other, places: [5]))
        #expect(other.cache.isCuttable && other.cache.reachable(37) == 37)
    }

    /// Errors of quantized weights go into the state and out of it again: over 4,096 tokens the last eighth is no worse than the first
    /// by more than half.
    @Test(arguments: ["qwen3.5", "qwen3.5-moe"])
    func errorsDoNotGather(fixture: String) throws {
        let tokens = tokens(4096, seed: 7)
        func hidden(_ recipe: String?) throws -> Engine.Rows {
            let context = try TextContext(try engine((fixture, recipe)), capacity: 4096)
            return try context.evaluate(input(tokens[...], context), wanted: .all)
        }
        func logits(_ recipe: String?, _ hidden: Engine.Rows, _ rows: Range<Int>) throws -> [Float] {
            let part = hidden.values[rows.lowerBound * hidden.columns..<rows.upperBound * hidden.columns]
            return try engine((fixture, recipe)).logits(.init(values: Array(part), columns: hidden.columns))
                .values
        }
        let (base, other) = (try hidden(nil), try hidden("int4"))
        func divergence(_ rows: Range<Int>) throws -> Double {
            let (p, q) = (try logits(nil, base, rows), try logits("int4", other, rows))
            let columns = p.count / rows.count
            return (0..<rows.count).reduce(0.0) { sum, row in
                let range = row * columns..<(row + 1) * columns
                return sum + Self.divergence(p[range], q[range])
            } / Double(rows.count)
        }
        let (first, last) = (try divergence(0..<512), try divergence(3584..<4096))
        #expect(first > 0 && last < 1.5 * first, "\(first), then \(last)")
    }

    /// KL(p || q) of two rows of logits.
    private static func divergence(_ p: ArraySlice<Float>, _ q: ArraySlice<Float>) -> Double {
        func logProbabilities(_ x: ArraySlice<Float>) -> [Double] {
            let largest = Double(x.max() ?? 0)
            let shifted = x.map { Double($0) - largest }
            let total = log(shifted.reduce(0) { $0 + exp($1) })
            return shifted.map { $0 - total }
        }
        return zip(logProbabilities(p), logProbabilities(q)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
    }
}
