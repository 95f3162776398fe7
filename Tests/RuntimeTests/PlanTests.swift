import Bundles
import GraphIR
import Storage
import Testing

@testable import Runtime

@Suite(.serialized) struct PlanTests {
    private func engine(_ path: Result<String, any Error>) throws -> Engine { try engine(path.get()) }

    private func engine(_ path: String) throws -> Engine {
        try Engine(try Bundle(path), .init(threads: 1))
    }

    /// Two buffers that are alive at the same step never share a byte, whatever the extents.
    @Test(arguments: [1, 2, 7, 64, 513])
    func liveBuffersNeverOverlap(rows: Int) throws {
        let fixtures = [
            ("qwen2-vl", nil), ("qwen2.5-vl", nil), ("qwen3-vl-moe", nil), ("qwen3-vl-moe", "int4"),
            ("qwen3.5", nil), ("qwen3.5-moe", "int4"),
        ]
        for (fixture, recipe) in fixtures {
            let engine = try engine(Bundled.path(fixture, recipe))
            let extents = Extents(tokens: rows, visuals: rows / 2, outputs: 1, patches: 4 * rows, segments: 2)
            for plan in [engine.vision, engine.text, engine.head] {
                try ArenaLayout(plan, extents).expectNoOverlaps(plan, extents)
            }
        }
    }

    @Test func theArenaIsReusedFromLayerToLayer() throws {
        let engine = try engine(Bundled.demo)
        let layout = try ArenaLayout(engine.text, Extents(tokens: 64, outputs: 1))
        let all = try engine.text.buffers.reduce(0) { sum, buffer in
            sum + (try buffer.byteCount(Extents(tokens: 64, outputs: 1)) ?? 0)
        }
        #expect(layout.count * 4 < all)
    }

    @Test func queriesKeysAndValuesShareTheirQuantizedInput() throws {
        let engine = try engine(Bundled.demoInt4)
        let quantizations = engine.text.steps.count { $0 is Quantize }
        let blocks = try engine.graph.graph("text").nodes.filter { $0.operation.name == "attention" }.count
        // One for q, k and v, one each for the output, gate and up, and down.
        #expect(quantizations == 4 * blocks)
    }

    @Test func memoryIsKnownBeforehand() throws {
        let engine = try engine(Bundled.demo)
        let small = try engine.estimateMemory(capacity: 128, patches: 64, segments: 1, mapped: 0)
        let large = try engine.estimateMemory(capacity: 256, patches: 256, segments: 1, mapped: 0)
        #expect(large.cache == 2 * small.cache)
        #expect(large.arena > small.arena)
        // A byte each and four for a head's scale, instead of two each.
        let coded = try engine.estimateMemory(
            capacity: 128, patches: 64, segments: 1, mapped: 0, .init(cachePrecision: .int8))
        let causal = try engine.graph.graph("text").nodes.compactMap {
            if case .attention(let attention) = $0.operation { attention.headDimension } else { nil }
        }
        let dimension = try #require(causal.first)
        #expect(dimension % 4 == 0 && coded.cache * 2 * dimension == small.cache * (dimension + 4))
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let engine = try engine(Bundled.path("qwen2-vl"))
        let context = try TextContext(engine, capacity: 4)
        func evaluate(_ input: TextContext.Input) -> Failure.Kind? {
            do throws(Failure) {
                _ = try context.evaluate(input)
                return nil
            } catch { return error.kind }
        }
        #expect(evaluate(.init(tokens: [], positions: [])) == .badInput)
        #expect(evaluate(.init(tokens: [1], positions: [0])) == .badInput)
        #expect(evaluate(.init(tokens: [-1], positions: [0, 0, 0])) == .badInput)
        #expect(evaluate(.init(tokens: [1 << 20], positions: [0, 0, 0])) == .badInput)
        #expect(
            evaluate(.init(tokens: [1, 2, 3, 4, 5], positions: Array(repeating: 0, count: 15))) == .limit)
        #expect(evaluate(.init(tokens: [1], positions: [0, 0, 0], visualRows: [0])) == .badInput)
        #expect(evaluate(.init(tokens: [1], positions: [0, 0, 0])) == nil)
        #expect(throws: Failure.self) {
            _ = try engine.encode(patches: [1, 2], coordinates: [], segments: [0, 1])
        }
    }
    /// A mistake of the compiler's would be refused when a bundle is opened.
    @Test func aStepThatLeavesItsBufferIsSeen() throws {
        let plan = try engine(Bundled.demo).text
        try plan.check()
        func refused(_ change: (inout Plan) -> Void) -> Bool {
            var plan = plan
            change(&plan)
            do throws(Failure) { try plan.check() } catch { return true }
            return false
        }
        let index = try #require(
            plan.steps.firstIndex { $0 is Sum })
        let sum = try #require(plan.steps[index] as? Sum)
        let (a, b, result) = (sum.a, sum.b, sum.result)
        var (wide, shifted, long) = (b, b, result)
        wide.columns += 1
        shifted.column += 1
        long.rows = .symbol(.outputs)
        #expect(refused { $0.steps[index] = Sum(a: a, b: wide, result: result) })
        #expect(refused { $0.steps[index] = Sum(a: a, b: shifted, result: result) })
        #expect(refused { $0.steps[index] = Sum(a: a, b: b, result: long) })
        #expect(refused { $0.buffers[b.buffer].live = 0...0 })
        #expect(refused { $0.steps[index] = ScaleByLength(x: a, positions: 1, length: 2) })
    }

    /// Numbers that a caller feeds are looked at before any step follows them.
    @Test func numbersThatLeadOutsideAreRefused() throws {
        let engine = try engine(Bundled.path("qwen2.5-vl"))
        let extents = Extents(tokens: 2, visuals: 1, outputs: 1)
        func refused(ids: [Int32], rows: [Int32], outputs: [Int32]) -> Bool {
            let inputs: [PlanInput] = [
                .indices(ids), .floats(Array(repeating: 0, count: engine.visualWidth)), .indices(rows),
                .indices(Array(repeating: 0, count: 6)), .indices(outputs),
            ]
            do throws(Failure) { try engine.text.check(inputs, extents) } catch {
                return error.kind == .badInput
            }
            return false
        }
        #expect(!refused(ids: [0, 1], rows: [1], outputs: [1]))
        #expect(refused(ids: [0, -1], rows: [1], outputs: [1]))
        #expect(refused(ids: [0, .max], rows: [1], outputs: [1]))
        #expect(refused(ids: [0], rows: [1], outputs: [1]))
        #expect(refused(ids: [0, 1], rows: [2], outputs: [1]))
        #expect(refused(ids: [0, 1], rows: [1], outputs: [-1]))
        let count = 16
        let patches = PlanInput.floats(Array(repeating: 0, count: count * engine.patchWidth))
        for segments: [Int32] in [[0, 17], [1, 16], [0, 9, 8, 16]] {
            #expect(throws: Failure.self) {
                try engine.vision.check(
                    [patches, .indices(Array(repeating: 0, count: 2 * count)), .indices(segments)],
                    Extents(patches: count, segments: segments.count))
            }
        }
    }
}
